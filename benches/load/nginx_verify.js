// The token walk for nginx: parts, claims, signature, consumer key, scope. The rig puts the public keys in.
// Never answers the client; 204, 401 or 403 go back to `auth_request`.
const keys = {
    RS256: { pem: '@RS256@', use: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } },
    ES256: { pem: '@ES256@', use: { name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' } },
};

// the module of Debian 12 knows signatures of ECDSA as DER only
function der(raw) {
    function integer(bytes) {
        let start = 0;
        while (start < 31 && bytes[start] === 0) { start += 1; }
        const number = Buffer.from(bytes.slice(start));
        const padded = number[0] & 0x80 ? Buffer.concat([Buffer.from([0]), number]) : number;
        return Buffer.concat([Buffer.from([2, padded.length]), padded]);
    }
    const both = Buffer.concat([integer(raw.slice(0, 32)), integer(raw.slice(32))]);
    return Buffer.concat([Buffer.from([0x30, both.length]), both]);
}

async function verify(r) {
    const authorization = r.headersIn.Authorization;
    if (!authorization || !authorization.startsWith('Bearer ')) { r.return(401); return; }
    try {
        const parts = authorization.substring(7).split('.');
        const header = JSON.parse(Buffer.from(parts[0], 'base64url'));
        const claims = JSON.parse(Buffer.from(parts[1], 'base64url'));
        const key = keys[header.alg];
        if (parts.length !== 3 || !key || claims.iss !== 'https://issuer.example' || !(claims.exp > Date.now() / 1000)) {
            r.return(401);
            return;
        }
        let signature = Buffer.from(parts[2], 'base64url');
        if (header.alg === 'ES256') { signature = der(signature); }
        const imported = await crypto.subtle.importKey('spki', Buffer.from(key.pem, 'base64'), key.use, false, ['verify']);
        if (!await crypto.subtle.verify(key.use, imported, signature, parts[0] + '.' + parts[1])) { r.return(401); return; }
        r.variables.consumer_key = claims.azp;
        const allowed = r.variables.subscribed === '1' && claims.scope.split(' ').includes('read');
        r.return(allowed ? 204 : 403);
    } catch (error) {
        r.return(401);
    }
}

export default { verify };
