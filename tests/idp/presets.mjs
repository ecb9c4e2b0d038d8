// The products that are imitated: where their endpoints are and what their tokens look like. They are not those products.

const COMMON_SCOPES = ['read', 'write', 'orders:read', 'orders:write'];

/** In every preset, beside its own clients. */
export const COMMON_CLIENTS = [
  { client_id: 'app-alpha', client_secret: 'alpha-secret', client_name: 'Alpha', scope: 'read write orders:read' },
  { client_id: 'app-beta', client_secret: 'beta-secret', client_name: 'Beta', scope: 'read' },
  { client_id: 'gateway', client_secret: 'gateway-secret', client_name: 'Gateway, the introspection caller' },
];

export const ACCOUNTS = {
  alice: {
    password: 'alice-password',
    values: { user_id: '4b1f6f3a-1c55-4a0e-9c0e-0d6a7f3f1a01', name: 'Alice', email: 'alice@example.test' },
  },
  bob: {
    password: 'bob-password',
    values: { user_id: '9d2c7e11-52fb-4f37-8e0d-6c0a4e9b7b02', name: 'Bob', email: 'bob@example.test' },
  },
};

export const DEFAULTS = {
  issuerPath: '',
  server: undefined, // instances that name the same server share a port
  tls: false,
  algorithms: ['RS256'],
  keyId: 'thumbprint', // thumbprint | wso2 | x5t | uuid | base64
  certificates: false, // x5c in the key set
  format: 'jwt', // jwt | opaque | uuid
  lifetime: 3600,
  scopes: COMMON_SCOPES,
  allScopesByDefault: false,
  passwordGrant: true,
  introspectJwt: true,
  registration: {},
  resources: {},
  clients: [],
};

const endpoints = (prefix, own = {}) => ({
  authorization: `${prefix}/authorize`,
  token: `${prefix}/token`,
  jwks: `${prefix}/jwks`,
  introspection: `${prefix}/introspect`,
  revocation: `${prefix}/revoke`,
  registration: `${prefix}/register`,
  userinfo: `${prefix}/userinfo`,
  end_session: `${prefix}/logout`,
  pushed_authorization_request: `${prefix}/par`,
  ...own,
});

const WSO2_REGISTRATION = { initialAccessToken: 'wso2-dcr-token', basicAuth: 'admin:admin' };
const WSO2_INTROSPECTION = { aut: 'APPLICATION', aud: '$client_id', nbf: '$iat', token_type: 'Bearer' };

function wso2Server({ userinfo, user, organisation, keySet }) {
  return {
    issuerPath: '/oauth2/token',
    keyId: 'wso2',
    certificates: true,
    paths: endpoints('/oauth2', { registration: '/api/identity/oauth2/dcr/v1.1/register', end_session: '/oidc/logout', userinfo }),
    clients: [{ client_id: '7wYeybBGCVfLxPmS0z66WNMffyMa', client_secret: 'wso2-secret', scope: 'read write' }],
    registration: WSO2_REGISTRATION,
    header: { set: { x5t: '$x5t', typ: 'at+jwt' } },
    claims: {
      set: { aut: 'APPLICATION', aud: '$client_id', nbf: '$iat', azp: '$client_id', jti: '$uuid', ...organisation },
      user: { set: { aut: 'APPLICATION_USER', sub: user } },
    },
    introspection: {
      set: WSO2_INTROSPECTION,
      user: { set: { aut: 'APPLICATION_USER', username: '${username}@carbon.super' } },
      unset: ['iss', 'jti'],
    },
    keySet: { add: keySet },
  };
}

function wso2Organisation(id, client) {
  const root = `/t/carbon.super/o/${id}`;
  return {
    server: 'wso2is-organisations',
    issuerPath: `${root}/oauth2/token`,
    format: 'uuid',
    keyId: 'wso2',
    paths: endpoints(`${root}/oauth2`, {
      registration: `${root}/api/identity/oauth2/dcr/v1.1/register`,
      end_session: `${root}/oidc/logout`,
    }),
    clients: [client],
    registration: WSO2_REGISTRATION,
    introspection: {
      set: { ...WSO2_INTROSPECTION, org_id: id },
      user: { set: { aut: 'APPLICATION_USER', username: `\${username}@${id}` } },
      unset: ['iss', 'jti', 'sub'],
    },
  };
}

const TENANT = '11111111-2222-4333-8444-555555555555';
const ENTRA = {
  keyId: 'x5t',
  certificates: true,
  introspectJwt: false,
  scopes: ['Orders.Read', 'Orders.Write'],
  clients: [{
    client_id: 'bbbbbbbb-cccc-4ddd-8eee-ffffffffffff',
    client_secret: 'entra-secret',
    scope: 'Orders.Read Orders.Write',
    token_endpoint_auth_method: 'client_secret_post',
  }],
};
const entraEndpoints = (oauth2, keys, userinfo) => endpoints(oauth2, {
  jwks: keys, userinfo, introspection: null, revocation: null, registration: null,
});

const KEYCLOAK = '/realms/gateway/protocol/openid-connect';

export const PRESETS = {
  wso2is: wso2Server({ userinfo: '/oauth2/userinfo', user: '$username', keySet: ['x5t#S256', 'x5t'] }),

  wso2is7: wso2Server({
    userinfo: '/scim2/Me',
    user: '$user_id',
    organisation: { org_id: '10084a8d-113f-4211-a0d5-efe36b082211', org_name: 'Super' },
    keySet: ['x5t#S256'],
  }),

  'wso2is-org1': wso2Organisation('12d1c4d2-2bb1-443b-aa4a-68f98a40d7c6', { client_id: 'fhErtAT2YF_M0Ek3AAYHLI8L25oa', client_secret: 'org1-secret' }),
  'wso2is-org2': wso2Organisation('7e98b86f-63c7-41a1-8c56-c909a21a2615', { client_id: '0rg2YbBGCVfLxPmS0z66WNMffyMb', client_secret: 'org2-secret' }),

  // no `aud`, no `typ`, a kid with + / =
  cognito: {
    issuerPath: '/us-east-1_Example01',
    keyId: 'base64',
    allScopesByDefault: true,
    introspectJwt: false,
    scopes: ['orders/read', 'orders/write'],
    paths: endpoints('/oauth2', {
      jwks: '/us-east-1_Example01/.well-known/jwks.json', userinfo: '/oauth2/userInfo', introspection: null, registration: null, end_session: '/logout',
    }),
    clients: [{ client_id: '1example23456789abcdefghij', client_secret: 'cognito-secret', scope: 'orders/read orders/write' }],
    header: { unset: ['typ'] },
    claims: {
      set: { token_use: 'access', auth_time: '$iat', version: 2, jti: '$uuid' },
      user: { set: { sub: '$user_id', username: '$username' } },
      unset: ['aud'],
    },
  },

  // the issuer ends with a slash; the client is in `azp` alone
  auth0: {
    issuerPath: '/',
    allScopesByDefault: true,
    audience: 'https://api.example.test/orders',
    paths: endpoints('/oauth', {
      authorization: '/authorize', jwks: '/.well-known/jwks.json', introspection: null, registration: '/oidc/register', userinfo: '/userinfo', end_session: '/oidc/logout',
    }),
    clients: [{
      client_id: 'AbCdEf0123456789GhIjKlMnOpQrStUv', client_secret: 'auth0-secret', scope: 'read write', token_endpoint_auth_method: 'client_secret_post',
    }],
    header: { set: { typ: 'JWT' } },
    claims: {
      set: { azp: '$client_id' },
      app: { set: { sub: '${client_id}@clients', gty: '$grant' } },
      user: { set: { sub: 'auth0|${user_id}', aud: ['$aud', '${base}/userinfo'] } },
      unset: ['client_id', 'jti'],
    },
  },

  // the client is in `cid`, scopes are an array
  okta: {
    issuerPath: '/oauth2/default',
    allScopesByDefault: true,
    audience: 'api://default',
    paths: endpoints('/oauth2/default/v1', { jwks: '/oauth2/default/v1/keys', registration: '/oauth2/v1/clients' }),
    clients: [{ client_id: '0oa1example2345678x7', client_secret: 'okta-secret', scope: 'read write' }],
    registration: { initialAccessToken: 'okta-api-token' },
    header: { unset: ['typ'] },
    claims: {
      set: { ver: 1, jti: 'AT.${random}', cid: '$client_id', scp: '$scope_array' },
      user: { set: { sub: '$email', uid: '$user_id', auth_time: '$iat' } },
      unset: ['client_id', 'scope'],
    },
    introspection: { set: { username: '$sub', aud: 'api://default', nbf: '$iat' } },
  },

  // the issuer is not where the discovery document is; keys without `alg`; `expires_in` is a string
  'entra-v1': {
    ...ENTRA,
    issuerPath: `/sts/${TENANT}/`,
    discovery: [`/${TENANT}/.well-known/openid-configuration`],
    audience: 'api://66666666-7777-4888-8999-aaaaaaaaaaaa',
    paths: entraEndpoints(`/${TENANT}/oauth2`, `/${TENANT}/discovery/keys`, `/${TENANT}/openid/userinfo`),
    header: { set: { typ: 'JWT', x5t: '$x5t' } },
    claims: {
      set: { nbf: '$iat', appid: '$client_id', appidacr: '1', idp: '$iss', tid: TENANT, uti: '$random', ver: '1.0' },
      app: { set: { oid: '$client_uuid', sub: '$client_uuid', roles: '$scope_array' } },
      user: { set: { oid: '$user_id', sub: '$user_id', scp: '$scope', upn: '$email', unique_name: '$email' } },
      unset: ['client_id', 'scope', 'jti'],
    },
    tokenAnswer: {
      set: { expires_in: '${expires_in}', ext_expires_in: '${expires_in}', expires_on: '${exp}', resource: '$aud' },
      unset: ['scope'],
    },
    keySet: { add: ['x5t'], omit: ['alg'] },
  },

  'entra-v2': {
    ...ENTRA,
    issuerPath: `/${TENANT}/v2.0`,
    audience: '66666666-7777-4888-8999-aaaaaaaaaaaa',
    paths: entraEndpoints(`/${TENANT}/oauth2/v2.0`, `/${TENANT}/discovery/v2.0/keys`, '/oidc/userinfo'),
    header: { set: { typ: 'JWT' } },
    claims: {
      set: { nbf: '$iat', azp: '$client_id', azpacr: '1', tid: TENANT, uti: '$random', ver: '2.0' },
      app: { set: { oid: '$client_uuid', sub: '$client_uuid', roles: '$scope_array' } },
      user: { set: { oid: '$user_id', sub: '$random', scp: '$scope', preferred_username: '$email', name: '$name' } },
      unset: ['client_id', 'scope', 'jti'],
    },
    tokenAnswer: { set: { ext_expires_in: '$expires_in' }, unset: ['scope'] },
    keySet: { add: ['x5t'], omit: ['alg'], issuer: true },
  },

  // an encryption key beside the signing key; `sub` is not the client
  keycloak: {
    issuerPath: '/realms/gateway',
    certificates: true,
    allScopesByDefault: true,
    audience: 'account',
    scopes: ['read', 'write', 'orders:read', 'profile', 'email'],
    paths: endpoints(KEYCLOAK, {
      authorization: `${KEYCLOAK}/auth`,
      jwks: `${KEYCLOAK}/certs`,
      introspection: `${KEYCLOAK}/token/introspect`,
      registration: '/realms/gateway/clients-registrations/openid-connect',
      pushed_authorization_request: `${KEYCLOAK}/ext/par/request`,
    }),
    clients: [{ client_id: 'orders-service', client_secret: 'keycloak-secret', scope: 'profile email read' }],
    registration: { initialAccessToken: 'keycloak-initial-token', rotates: true },
    header: { set: { typ: 'JWT' } },
    claims: {
      set: {
        jti: 'trrtcc:${uuid}',
        typ: 'Bearer',
        azp: '$client_id',
        acr: '1',
        'allowed-origins': ['/*'],
        realm_access: { roles: ['default-roles-gateway', 'offline_access', 'uma_authorization'] },
        resource_access: { account: { roles: ['manage-account', 'view-profile'] } },
      },
      app: { set: { sub: '$client_uuid', preferred_username: 'service-account-${client_id}', clientHost: '127.0.0.1', clientAddress: '127.0.0.1' } },
      user: {
        set: { sub: '$user_id', sid: '$uuid', preferred_username: '$username', email: '$email', email_verified: true, name: '$name' },
        unset: ['client_id'],
      },
    },
    introspection: { set: { azp: '$client_id', typ: 'Bearer', username: '$username' } },
    tokenAnswer: { set: { refresh_expires_in: 0, 'not-before-policy': 0 } },
    keySet: { add: ['x5t', 'x5t#S256'], encryptionKey: true },
  },

  // the issuer has no path; no `sub`, no `typ`; scopes are an array called `scope`
  pingfederate: {
    allScopesByDefault: true,
    audience: 'orders-api',
    paths: {
      authorization: '/as/authorization.oauth2',
      token: '/as/token.oauth2',
      jwks: '/pf/JWKS',
      introspection: '/as/introspect.oauth2',
      revocation: '/as/revoke_token.oauth2',
      registration: '/as/clients.oauth2',
      userinfo: '/idp/userinfo.openid',
      end_session: '/idp/startSLO.ping',
      pushed_authorization_request: '/as/par.oauth2',
    },
    clients: [{ client_id: 'ping_client', client_secret: 'ping-secret', scope: 'read write' }],
    header: { set: { 'pi.atm': '1' }, unset: ['typ'] },
    claims: { set: { scope: '$scope_array', nbf: '$iat' }, user: { set: { Username: '$username', OrgName: 'Example' } }, unset: ['sub'] },
  },

  // every algorithm, chosen by the `resource` of the token request
  generic: {
    issuerPath: '/as',
    algorithms: ['RS256', 'ES256', 'PS256', 'EdDSA', 'ES384', 'ES512'],
    paths: endpoints('/as'),
    resources: {
      'urn:jwt:rs256': { algorithm: 'RS256' },
      'urn:jwt:es256': { algorithm: 'ES256' },
      'urn:jwt:ps256': { algorithm: 'PS256' },
      'urn:jwt:eddsa': { algorithm: 'EdDSA' },
      'urn:jwt:es384': { algorithm: 'ES384' },
      'urn:jwt:es512': { algorithm: 'ES512' },
      'urn:jwt:short': { algorithm: 'RS256', lifetime: 3 },
      'urn:opaque': { format: 'opaque' },
      'urn:opaque:short': { format: 'opaque', lifetime: 3 },
    },
    claims: { set: { nbf: '$iat' } },
  },

  opaque: {
    issuerPath: '/oauth',
    format: 'opaque',
    paths: endpoints('/oauth'),
    registration: { initialAccessToken: 'opaque-initial-token', rotates: true, strict: true },
  },

  // over TLS; tokens bound to a client certificate or to a DPoP key
  secure: {
    tls: true,
    issuerPath: '/oauth2/token',
    algorithms: ['PS256', 'ES256'],
    paths: endpoints('/oauth2'),
    resources: { 'urn:opaque': { format: 'opaque' } },
    clients: [
      { client_id: 'app-plain', client_secret: 'plain-secret', scope: 'read write' },
      { client_id: 'app-mtls', client_secret: 'mtls-secret', scope: 'read', tls_client_certificate_bound_access_tokens: true },
      {
        client_id: 'app-tls-auth',
        scope: 'read',
        token_endpoint_auth_method: 'tls_client_auth',
        tls_client_auth_subject_dn: 'CN=app-tls-auth,O=Test',
        tls_client_certificate_bound_access_tokens: true,
      },
      { client_id: 'app-dpop', client_secret: 'dpop-secret', scope: 'read', dpop_bound_access_tokens: true },
    ],
  },
};
