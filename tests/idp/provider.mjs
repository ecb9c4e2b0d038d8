// The configuration of oidc-provider for one instance. Issuing, client authentication, introspection, revocation,
// registration, certificate binding and DPoP are the library's own code.
import crypto from 'node:crypto';
import { adapt } from './adaptations.mjs';
import { reshape, valuesOf } from './shapes.mjs';

const { errors, Provider } = await import('oidc-provider');

const DEFAULT_RESOURCE = 'urn:default';
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA'];

function resourceServer(instance, identifier, client) {
  const { options } = instance;
  const isDefault = identifier === DEFAULT_RESOURCE;
  const resource = isDefault ? {} : options.resources[identifier];
  if (!resource) throw new errors.InvalidTarget();
  const alg = resource.algorithm ?? options.algorithms[0];
  const isJwt = (resource.format ?? options.format) === 'jwt';
  return {
    scope: client.scope || options.scopes.join(' '),
    audience: isDefault ? options.audience ?? `${instance.base}/api` : identifier,
    accessTokenTTL: resource.lifetime ?? options.lifetime,
    accessTokenFormat: isJwt ? 'jwt' : 'opaque',
    ...(isJwt && { jwt: { sign: { alg, kid: instance.keys.signing.get(alg).kid } } }),
  };
}

/** The resource of a request that names none; also where "everything I may have" becomes a list of scopes. */
function defaultResource(instance, ctx, client, oneOf) {
  const { params } = ctx.oidc;
  const asked = params.scope?.split(' ').filter(Boolean) ?? [];
  const wantsAll = asked.some((scope) => scope.endsWith('/.default')) || (asked.length === 0 && instance.options.allScopesByDefault);
  if (wantsAll && params.grant_type) params.scope = client.scope ?? instance.options.scopes.join(' ');
  return oneOf ?? DEFAULT_RESOURCE;
}

/** Gives a JWT the preset's header and claims, and an opaque twin by which it can be introspected and revoked. */
async function shapeJwt(instance, ctx, token, jwt) {
  const { options, keys } = instance;
  const { alg } = token.resourceServer.jwt.sign;
  const { kid } = keys.signing.get(alg);
  const isUser = Boolean(token.accountId);
  const values = valuesOf(instance, token, { ...jwt.payload, alg, kid, x5t: keys.thumbprints(kid).x5t, scope: token.scope });
  const { aud } = jwt.payload;
  reshape(jwt.payload, options.claims, values, isUser);
  // the library insists on an audience; one that is not enumerable is never written
  if (jwt.payload.aud === undefined) Object.defineProperty(jwt.payload, 'aud', { value: aud, enumerable: false, writable: true });
  if (options.header) {
    jwt.header = reshape({}, { set: options.header.set }, values, isUser);
    for (const member of options.header.unset ?? []) jwt.header[member] = undefined;
  }
  if (!options.introspectJwt) return;
  const { provider } = ctx.oidc;
  const Twin = isUser ? provider.AccessToken : provider.ClientCredentials;
  const { client, scope, accountId, grantId, gty, jkt } = token;
  const twin = new Twin({ client, scope, aud: token.aud, accountId, grantId, gty, jkt, expiresIn: token.expiration, 'x5t#S256': token['x5t#S256'] });
  ctx.twin = { value: await twin.save(), jti: jwt.payload.jti };
}

function clientCertificates() {
  const peer = (ctx) => ctx.req.socket.getPeerCertificate?.(false)?.raw;
  const sorted = (name) => name.split(/[\n,]/).map((part) => part.trim()).filter(Boolean).sort().join();
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    tlsClientAuth: true,
    getCertificate: (ctx) => (peer(ctx) ? new crypto.X509Certificate(peer(ctx)).toString() : undefined),
    certificateAuthorized: (ctx) => ctx.req.socket.authorized === true,
    certificateSubjectMatches(ctx, property, expected) {
      const certificate = new crypto.X509Certificate(peer(ctx));
      if (property === 'tls_client_auth_subject_dn') return sorted(certificate.subject) === sorted(expected);
      return (certificate.subjectAltName ?? '').split(', ').some((entry) => entry.slice(entry.indexOf(':') + 1) === expected);
    },
  };
}

function registrationFeatures({ paths, registration }) {
  const enabled = Boolean(paths.registration);
  const random = (bytes) => crypto.randomBytes(bytes).toString('base64url');
  return {
    registration: {
      enabled,
      initialAccessToken: registration.initialAccessToken ?? false,
      // WSO2 Identity Server lets the caller choose both
      idFactory: (ctx) => ctx.oidc.body?.ext_param_client_id ?? random(15),
      secretFactory: (ctx) => ctx.oidc.body?.ext_param_client_secret ?? random(24),
      issueRegistrationAccessToken: true,
    },
    registrationManagement: { enabled, rotateRegistrationAccessToken: registration.rotates ?? false },
  };
}

function configuration(instance) {
  const { options } = instance;
  const clientScopes = options.clients.flatMap(({ scope }) => scope?.split(' ') ?? []);
  const grants = ['client_credentials', ...(options.passwordGrant ? ['password', 'refresh_token'] : [])];
  const lifetime = (_, token) => token.resourceServer?.accessTokenTTL ?? options.lifetime;
  return {
    adapter: instance.storage,
    jwks: instance.keys.jwks(),
    routes: Object.fromEntries(Object.entries(options.paths).filter(([, path]) => path)),
    scopes: [...new Set(['openid', 'offline_access', ...options.scopes, ...clientScopes])],
    cookies: { keys: ['only for tests'] },
    clients: options.clients.map((client) => ({
      redirect_uris: [], response_types: [], token_endpoint_auth_method: 'client_secret_basic', grant_types: grants, ...client,
    })),
    clientDefaults: { id_token_signed_response_alg: options.algorithms[0] },
    clientAuthMethods: [
      'client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth', 'none',
    ],
    enabledJWA: { clientAuthSigningAlgValues: ['HS256', 'RS256', 'PS256', 'ES256', 'EdDSA'], idTokenSigningAlgValues: ALGORITHMS },
    claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email'] },
    ttl: { AccessToken: lifetime, ClientCredentials: lifetime, RefreshToken: 86_400, IdToken: 3600, Session: 86_400, Grant: 86_400, Interaction: 3600 },
    pkce: { required: () => false },
    rotateRefreshToken: true,
    issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, ...options.accounts[id]?.values }) }),
    formats: { customizers: { jwt: (ctx, token, jwt) => shapeJwt(instance, ctx, token, jwt) } },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: Boolean(options.paths.introspection), allowedPolicy: () => true },
      revocation: { enabled: Boolean(options.paths.revocation), allowedPolicy: () => true },
      ...registrationFeatures(options),
      userinfo: { enabled: Boolean(options.paths.userinfo) },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        defaultResource: (ctx, client, oneOf) => defaultResource(instance, ctx, client, oneOf),
        getResourceServerInfo: (_, identifier, client) => resourceServer(instance, identifier, client),
      },
      mTLS: clientCertificates(),
      dPoP: { enabled: true, nonceSecret: instance.nonceSecret, requireNonce: () => instance.requireNonce, allowReplay: false },
    },
  };
}

/** The password grant, which the library leaves to its user: it gives tests a user's token without a browser. */
function addPasswordGrant(instance, provider) {
  provider.registerGrantType('password', async (ctx, next) => {
    const { client, params } = ctx.oidc;
    const account = instance.options.accounts[params.username];
    if (account === undefined || account.password !== params.password) throw new errors.InvalidGrant('wrong user name or password');
    const resource = [params.resource ?? defaultResource(instance, ctx, client)].flat()[0];
    const info = resourceServer(instance, resource, client);
    const allowed = info.scope.split(' ');
    const scope = params.scope?.split(' ').filter((each) => allowed.includes(each)).join(' ') || undefined;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: params.username });
    grant.addOIDCScope('openid');
    if (scope) grant.addResourceScope(resource, scope);
    const common = { client, accountId: params.username, grantId: await grant.save(), gty: 'password' };
    const token = new provider.AccessToken({ ...common, scope });
    token.resourceServer = new provider.ResourceServer(resource, info);
    ctx.oidc.entity('AccessToken', token);
    ctx.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: token.expiration, scope };
    if (client.grantTypeAllowed('refresh_token')) {
      ctx.body.refresh_token = await new provider.RefreshToken({ ...common, scope: scope ?? 'openid', resource }).save();
    }
    await next?.();
  }, ['username', 'password', 'scope', 'resource']);
}

export function buildProvider(instance) {
  const provider = new Provider(instance.issuer, configuration(instance));
  if (instance.options.passwordGrant) addPasswordGrant(instance, provider);
  provider.on('server_error', (_, error) => process.stderr.write(`[${instance.options.name}] ${error.stack}\n`));
  provider.use(adapt(instance));
  return provider;
}
