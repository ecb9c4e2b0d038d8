// The token walk for nginx: parts, claims, signature, consumer key, scope. The rig puts the public keys in.
// Never answers the client; 204, 401 or 403 go back to `auth_request`.
const keys = {
    RS256: { pem: '@RS256@', use: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } },
    ES256: { pem: '@ES256@', use: { name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' } },
};

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
        const signature = Buffer.from(parts[2], 'base64url');
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
