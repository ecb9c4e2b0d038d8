// The server's own test: `npm test`. Starts all presets once and asks each as a client would.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import https from 'node:https';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';

let server;
const presets = {};

before(async () => {
  server = spawn(process.execPath, ['server.mjs'], { cwd: import.meta.dirname, stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface(server.stdout)) {
    const said = JSON.parse(line);
    if (said.event === 'all_ready') break;
    presets[said.name] = said;
  }
});
after(() => server.stdin.end());

const basic = ({ id, secret }) => ({ authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` });

function post(url, form, headers = {}) {
  return fetch(url, { method: 'POST', headers, body: new URLSearchParams(form) });
}

async function grant(preset, form = {}, client = preset.client) {
  const inBody = client.method === 'client_secret_post';
  const answer = await post(
    preset.token,
    { grant_type: 'client_credentials', ...(client.scope && { scope: client.scope }), ...form, ...(inBody && { client_id: client.id, client_secret: client.secret }) },
    inBody ? {} : basic(client),
  );
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

const decode = (token) => token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
const keySet = async (preset) => (await (await fetch(preset.jwks)).json()).keys;

function verifies(token, keys) {
  const [{ kid, alg }] = decode(token);
  const jwk = keys.find((key) => key.kid === kid);
  if (!jwk) return false;
  const cut = token.lastIndexOf('.');
  const hash = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`;
  const pss = alg.startsWith('PS') && { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST };
  const key = { key: crypto.createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363', ...pss };
  return crypto.verify(hash, Buffer.from(token.slice(0, cut)), key, Buffer.from(token.slice(cut + 1), 'base64url'));
}

const CLIENT_AND_SCOPES = {
  wso2is: ['azp', 'scope', 'read write'],
  wso2is7: ['azp', 'scope', 'read write'],
  cognito: ['client_id', 'scope', 'orders/read orders/write'],
  auth0: ['azp', 'scope', 'read write'],
  okta: ['cid', 'scp', ['read', 'write']],
  'entra-v1': ['appid', 'roles', ['Orders.Read', 'Orders.Write']],
  'entra-v2': ['azp', 'roles', ['Orders.Read', 'Orders.Write']],
  keycloak: ['azp', 'scope', 'profile email read'],
  pingfederate: ['client_id', 'scope', ['read', 'write']],
};
for (const [name, [client, scopes, expected]] of Object.entries(CLIENT_AND_SCOPES)) {
  test(`${name}: discovery, a token of its shape, a rotation that drops the old key`, async () => {
    const preset = presets[name];
    const discovered = await (await fetch(preset.well_known)).json();
    assert.equal(discovered.issuer, preset.issuer);
    assert.equal(discovered.jwks_uri, preset.jwks);
    assert.equal(discovered.token_endpoint, preset.token);

    const { access_token: token } = await grant(preset);
    const [, claims] = decode(token);
    assert.equal(claims.iss, preset.issuer);
    assert.equal(claims[client], preset.client.id);
    assert.deepEqual(claims[scopes], expected);
    assert.ok(verifies(token, await keySet(preset)));

    await fetch(`${preset.base}/__rotate?mode=replace`, { method: 'POST' });
    const rotated = await keySet(preset);
    assert.ok(!verifies(token, rotated));
    assert.ok(verifies((await grant(preset)).access_token, rotated));
  });
}

test('what is odd about each product is there', async () => {
  const token = async (name) => decode((await grant(presets[name])).access_token);
  assert.equal((await token('cognito'))[1].aud, undefined);
  assert.ok(presets.auth0.issuer.endsWith('/'));
  assert.equal((await token('okta'))[0].typ, undefined);
  assert.equal((await token('pingfederate'))[1].sub, undefined);
  assert.equal((await token('wso2is7'))[0].typ, 'at+jwt');
  assert.ok((await keySet(presets['entra-v1'])).every((key) => key.alg === undefined));
  assert.ok((await keySet(presets.keycloak)).some((key) => key.use === 'enc'));
  const [certified] = await keySet(presets.wso2is);
  const certificate = new crypto.X509Certificate(Buffer.from(certified.x5c[0], 'base64'));
  assert.equal(certificate.publicKey.export({ format: 'jwk' }).n, certified.n);
  const user = await grant(presets.keycloak, { grant_type: 'password', username: 'alice', password: 'alice-password', scope: 'read' });
  assert.equal(decode(user.access_token)[1].preferred_username, 'alice');
});

test('generic: the resource chooses the algorithm', async () => {
  const keys = await keySet(presets.generic);
  for (const alg of ['RS256', 'ES256', 'PS256', 'EdDSA', 'ES384', 'ES512']) {
    const { access_token: token } = await grant(presets.generic, { resource: `urn:jwt:${alg.toLowerCase()}`, scope: 'read' });
    assert.equal(decode(token)[0].alg, alg);
    assert.ok(verifies(token, keys), alg);
  }
});

test('rotation modes', async () => {
  const preset = presets.generic;
  const rotate = async (mode) => (await (await fetch(`${preset.base}/__rotate?mode=${mode}&alg=RS256`, { method: 'POST' })).json()).generic;
  const start = (await rotate('retire')).signing.RS256;
  const prepublished = await rotate('prepublish');
  assert.equal(prepublished.signing.RS256, start);
  const promoted = await rotate('promote');
  assert.equal(promoted.signing.RS256, prepublished.published.at(-1));
  assert.ok(promoted.published.includes(start));
  assert.ok(!(await rotate('retire')).published.includes(start));
  const { access_token: token } = await grant(preset, { scope: 'read' });
  assert.equal((await rotate('same-kid')).signing.RS256, promoted.signing.RS256);
  assert.ok(!verifies(token, await keySet(preset)));
  assert.equal((await fetch(`${preset.base}/__rotate?mode=sideways`, { method: 'POST' })).status, 400);
});

test('faults and counters', async () => {
  const { base, jwks } = presets.opaque;
  const fault = (body) => fetch(`${base}/__fault`, { method: 'POST', body: JSON.stringify({ route: 'jwks', times: 1, ...body }) });
  await fetch(`${base}/__stats`, { method: 'POST' });
  await fault({ status: 503 });
  assert.equal((await fetch(jwks)).status, 503);
  assert.equal((await fetch(jwks)).status, 200);
  await fault({ body: '<html>', headers: { 'content-type': 'text/html' } });
  assert.equal(await (await fetch(jwks)).text(), '<html>');
  await fault({ drop: true });
  await assert.rejects(fetch(jwks));
  await fault({ truncate: true });
  await assert.rejects(async () => (await fetch(jwks)).text());
  await fault({ drip_ms: 1, body: { keys: [] } });
  assert.deepEqual(await (await fetch(jwks)).json(), { keys: [] });
  assert.equal((await (await fetch(`${base}/__stats`)).json()).opaque.jwks, 6);
});

test('opaque tokens and JWTs alike are introspected and revoked, in their own organisation only', async () => {
  for (const name of ['wso2is-org1', 'opaque', 'wso2is7', 'keycloak']) {
    const preset = presets[name];
    const { access_token: token } = await grant(preset);
    const introspect = async (url) => (await post(url, { token }, basic({ id: 'gateway', secret: 'gateway-secret' }))).json();
    assert.equal((await introspect(preset.introspection)).active, true, name);
    assert.deepEqual(await introspect(presets['wso2is-org2'].introspection), { active: false });
    assert.equal((await post(preset.revocation, { token }, basic(preset.client))).status, 200);
    assert.deepEqual(await introspect(preset.introspection), { active: false });
  }
});

test('registration: HTTP Basic, and an initial access token', async () => {
  const metadata = { client_name: 'made', grant_types: ['client_credentials'], response_types: [] };
  const register = (name, authorization) => fetch(presets[name].registration, {
    method: 'POST', headers: { 'content-type': 'application/json', authorization }, body: JSON.stringify(metadata),
  });
  const admin = basic({ id: 'admin', secret: 'admin' }).authorization;
  const made = await (await register('wso2is7', admin)).json();
  assert.equal((await grant(presets.wso2is7, {}, { id: made.client_id, secret: made.client_secret })).token_type, 'Bearer');
  const read = await fetch(`${presets.wso2is7.registration}/${made.client_id}`, { headers: { authorization: admin } });
  assert.equal(read.status, 200);
  assert.equal((await register('wso2is7', basic({ id: 'admin', secret: 'wrong' }).authorization)).status, 401);
  assert.equal((await register('opaque', 'Bearer opaque-initial-token')).status, 201);
  assert.equal((await register('opaque', 'Bearer wrong')).status, 401);
});

test('secure: the certificate is trusted by its CA, and a token is bound to the client certificate', async () => {
  const { ca, client_certificates: clients, token } = presets.secure;
  const mine = clients['app-tls-auth'];
  const body = await new Promise((resolve, reject) => {
    const request = https.request(token, {
      method: 'POST', ca, cert: mine.certificate, key: mine.key, headers: { 'content-type': 'application/x-www-form-urlencoded' },
    }, (response) => {
      let text = '';
      response.on('data', (chunk) => { text += chunk; }).on('end', () => resolve(JSON.parse(text)));
    });
    request.on('error', reject);
    request.end('grant_type=client_credentials&client_id=app-tls-auth&scope=read');
  });
  const expected = crypto.createHash('sha256').update(new crypto.X509Certificate(mine.certificate).raw).digest('base64url');
  assert.equal(decode(body.access_token)[1].cnf['x5t#S256'], expected);
});

test('it ends when its standard input is closed', async () => {
  const child = spawn(process.execPath, ['server.mjs', '--presets', 'opaque'], { cwd: import.meta.dirname, stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) if (JSON.parse(line).event === 'all_ready') break;
  const ended = new Promise((resolve) => { child.on('exit', resolve); });
  child.stdin.end();
  assert.equal(await ended, 0);
});
