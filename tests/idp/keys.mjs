// The signing keys of one instance: which are published, which one signs, and how they are rotated.
import crypto from 'node:crypto';
import { promisify } from 'node:util';
import { certificate } from './certificates.mjs';

const generate = promisify(crypto.generateKeyPair);
const digest = (algorithm, data, encoding = 'base64url') => crypto.createHash(algorithm).update(data).digest(encoding);

const KEY_TYPE = {
  RS: ['rsa', { modulusLength: 2048 }],
  PS: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  ES512: ['ec', { namedCurve: 'P-521' }],
  EdDSA: ['ed25519', {}],
};

// How each product writes the `kid` of its keys.
const KEY_ID = {
  thumbprint: ({ spki }) => digest('sha256', spki),
  wso2: ({ spki, alg }) => `${Buffer.from(digest('sha256', spki, 'hex')).toString('base64url')}_${alg}`,
  x5t: ({ x5t }) => x5t,
  uuid: () => crypto.randomUUID(),
  base64: ({ spki }) => digest('sha256', spki, 'base64'),
};

async function makeKey(alg, { keyId, certificates }, kid) {
  const type = KEY_TYPE[alg] ?? KEY_TYPE[alg.slice(0, 2)];
  if (!type) throw new Error(`no key can be made for algorithm ${alg}`);
  const { publicKey, privateKey } = await generate(...type);
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  const jwk = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg };
  let named = spki;
  if (certificates) {
    named = certificate({ subject: { CN: 'test authorization server' }, publicKey, signingKey: privateKey });
    jwk.x5c = [named.toString('base64')];
  }
  const thumbprints = { x5t: digest('sha1', named), 'x5t#S256': digest('sha256', named) };
  jwk.kid = kid ?? KEY_ID[keyId]({ spki, alg, x5t: thumbprints.x5t });
  return { alg, kid: jwk.kid, jwk, thumbprints };
}

/** An RSA encryption key, as Keycloak publishes one beside its signing keys: no signature may be checked with it. */
export async function encryptionKey() {
  const { publicKey } = await generate('rsa', { modulusLength: 2048 });
  return { ...publicKey.export({ format: 'jwk' }), use: 'enc', alg: 'RSA-OAEP', kid: crypto.randomUUID() };
}

// Each mode is one step of a rotation, for one algorithm; `ring` is changed in place.
const ROTATION = {
  // the new key signs, the old one stays published
  async overlap(ring, alg) { ring.sign(await ring.publish(alg)); },
  // the new key signs, the old one is gone at once
  async replace(ring, alg) {
    ring.drop((key) => key.alg === alg);
    ring.sign(await ring.publish(alg));
  },
  // other key material under the kid that verifiers already hold
  async 'same-kid'(ring, alg) {
    const { kid } = ring.signing.get(alg);
    ring.drop((key) => key.alg === alg);
    ring.sign(await ring.publish(alg, kid));
  },
  // published, but not signing yet
  async prepublish(ring, alg) { await ring.publish(alg); },
  // the newest published key starts to sign
  async promote(ring, alg) { ring.sign(ring.published.findLast((key) => key.alg === alg)); },
  // whatever does not sign is gone
  async retire(ring, alg) { ring.drop((key) => key.alg === alg && key !== ring.signing.get(alg)); },
};

export class KeyRing {
  static async create(algorithms, style) {
    const ring = new KeyRing();
    ring.style = style;
    ring.published = [];
    ring.signing = new Map();
    for (const alg of algorithms) ring.sign(await ring.publish(alg));
    return ring;
  }

  async publish(alg, kid) {
    const key = await makeKey(alg, this.style, kid);
    this.published.push(key);
    return key;
  }

  sign(key) { this.signing.set(key.alg, key); }

  drop(unwanted) { this.published = this.published.filter((key) => !unwanted(key)); }

  async rotate(mode = 'overlap', only = undefined) {
    const step = ROTATION[mode];
    if (!step) throw new Error(`rotation mode ${mode} is none of ${Object.keys(ROTATION).join(', ')}`);
    for (const alg of only ? [only] : [...this.signing.keys()]) await step(this, alg);
  }

  thumbprints(kid) { return this.published.find((key) => key.kid === kid)?.thumbprints ?? {}; }

  /** Private JWKs for the library, which signs with the first that fits: the signing ones lead. */
  jwks() {
    const signs = (key) => (this.signing.get(key.alg) === key ? 1 : 0);
    return { keys: [...this.published].sort((a, b) => signs(b) - signs(a)).map((key) => key.jwk) };
  }

  describe() {
    return { signing: Object.fromEntries([...this.signing].map(([alg, key]) => [alg, key.kid])), published: this.published.map((key) => key.kid) };
  }
}
