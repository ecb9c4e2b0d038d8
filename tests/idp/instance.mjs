// One authorization server: its options, its keys, its memory, and the provider that is built anew when keys change.
import crypto from 'node:crypto';
import { encryptionKey, KeyRing } from './keys.mjs';
import { buildProvider } from './provider.mjs';
import { memoryStorage } from './storage.mjs';

export class Instance {
  /** `base` is scheme, host and port of the listener, which is open already: the issuer is made of it. */
  static async create(options, base) {
    const instance = new Instance();
    instance.options = options;
    instance.base = base;
    instance.issuer = base + options.issuerPath;
    const issuerPath = options.issuerPath.replace(/\/$/, '');
    instance.discovery = options.discovery ?? [
      `${issuerPath}/.well-known/openid-configuration`,
      `${issuerPath}/.well-known/oauth-authorization-server`,
      `/.well-known/oauth-authorization-server${issuerPath}`,
    ];
    instance.storage = memoryStorage();
    instance.twins = new Map(); // the token that a client holds -> the opaque one in the storage
    instance.registrationTokens = new Map(); // client id -> registration access token, where HTTP Basic hides it
    instance.nonceSecret = crypto.randomBytes(32);
    instance.requireNonce = false;
    instance.stats = {};
    instance.faults = {};
    instance.keys = await KeyRing.create(options.algorithms, { keyId: options.keyId, certificates: options.certificates });
    instance.encryptionKey = options.keySet?.encryptionKey ? await encryptionKey() : undefined;
    instance.build();
    return instance;
  }

  build() { this.handle = buildProvider(this).callback(); }

  async rotate(mode, alg) {
    await this.keys.rotate(mode, alg);
    this.build();
  }

  url(endpoint) {
    const path = this.options.paths[endpoint];
    return path ? this.base + path : undefined;
  }

  /** The client that a test uses unless it names another: the preset's own, or the first of the common ones. */
  mainClient() {
    const { client_id: id, client_secret: secret, scope, token_endpoint_auth_method: method } = this.options.clients[0];
    return { id, secret, scope, method: method ?? 'client_secret_basic' };
  }

  describe() {
    return {
      name: this.options.name,
      issuer: this.issuer,
      base: this.base,
      well_known: this.base + this.discovery[0],
      jwks: this.url('jwks'),
      token: this.url('token'),
      introspection: this.url('introspection'),
      revocation: this.url('revocation'),
      registration: this.url('registration'),
      client: this.mainClient(),
    };
  }
}
