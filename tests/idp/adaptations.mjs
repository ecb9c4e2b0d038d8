// What stands around the library's handler: the requests and answers of the imitated products that differ from its own.
import crypto from 'node:crypto';
import { readBody } from './http.mjs';
import { reshape, valuesOf } from './shapes.mjs';

const MOST_TWINS = 200_000;

const looksLikeJwt = (token) => token.split('.').length === 3;

function underRegistration({ registration }, path) {
  return registration !== null && (path === registration || path.startsWith(`${registration}/`));
}

/** A JWT is presented: the library is asked about its opaque twin, which it knows. */
async function presentTwin(instance, ctx) {
  const form = new URLSearchParams(await readBody(ctx.req));
  const presented = form.getAll('token');
  if (presented.length === 1) {
    [ctx.presented] = presented;
    const twin = instance.twins.get(ctx.presented);
    if (twin) form.set('token', twin.value);
    else if (instance.options.introspectJwt && looksLikeJwt(ctx.presented)) form.set('token', `unknown-${crypto.randomUUID()}`);
  }
  ctx.req.body = form.toString();
}

/** WSO2 registers clients under HTTP Basic; the library wants bearer tokens, which are kept here for it. */
function exchangeBasic(instance, ctx, clientId) {
  const { initialAccessToken, basicAuth } = instance.options.registration;
  const { headers } = ctx.req;
  if (!basicAuth || !headers.authorization?.startsWith('Basic ')) return;
  const right = headers.authorization === `Basic ${Buffer.from(basicAuth).toString('base64')}`;
  const bearer = clientId === undefined ? initialAccessToken : instance.registrationTokens.get(clientId);
  if (right && bearer) headers.authorization = `Bearer ${bearer}`;
  else delete headers.authorization;
}

/** The products do not ask for an empty `response_types` of clients that never see a browser; the library does. */
async function relaxRegistration(instance, ctx, clientId) {
  ctx.req.body = await readBody(ctx.req);
  let metadata;
  try {
    metadata = JSON.parse(ctx.req.body);
  } catch {
    return; // the library says what is wrong with it
  }
  const { grant_types: grants } = metadata;
  if (Array.isArray(grants) && !grants.includes('authorization_code')) metadata.response_types ??= [];
  if (ctx.method === 'PUT' && instance.registrationTokens.has(clientId)) metadata.client_id ??= clientId;
  ctx.req.body = JSON.stringify(metadata);
}

async function before(instance, ctx) {
  const { paths, registration } = instance.options;
  if (ctx.method === 'POST' && [paths.introspection, paths.revocation].includes(ctx.path)) {
    await presentTwin(instance, ctx);
  } else if (underRegistration(paths, ctx.path)) {
    const clientId = ctx.path === paths.registration ? undefined : decodeURIComponent(ctx.path.slice(paths.registration.length + 1));
    exchangeBasic(instance, ctx, clientId);
    if (['POST', 'PUT'].includes(ctx.method) && !registration.strict) await relaxRegistration(instance, ctx, clientId);
  }
}

function remember(twins, shown, twin) {
  twins.set(shown, twin);
  if (twins.size > MOST_TWINS) twins.delete(twins.keys().next().value);
}

const issued = (ctx) => ctx.oidc.entities.ClientCredentials ?? ctx.oidc.entities.AccessToken;

function keepRegistrationToken(instance, { body }) {
  if (!body?.client_id) return;
  instance.registrationTokens.set(body.client_id, body.registration_access_token);
  if (instance.options.registration.basicAuth) {
    delete body.registration_access_token;
    delete body.registration_client_uri;
  }
}

// By the library's name of the route that answered.
const AFTER = {
  token(instance, ctx) {
    const { body } = ctx;
    const { options, twins } = instance;
    if (!body?.access_token) return;
    if (ctx.twin) {
      remember(twins, body.access_token, ctx.twin);
    } else if (options.format === 'uuid') {
      const shown = crypto.randomUUID();
      remember(twins, shown, { value: body.access_token });
      body.access_token = shown;
    }
    const token = issued(ctx);
    if (options.tokenAnswer && token) {
      reshape(body, options.tokenAnswer, { ...valuesOf(instance, token), expires_in: body.expires_in }, Boolean(token.accountId));
    }
  },

  introspection(instance, ctx) {
    const { body } = ctx;
    const token = issued(ctx);
    if (!body?.active || !token) return;
    const jti = instance.twins.get(ctx.presented)?.jti;
    if (jti) body.jti = jti;
    reshape(body, instance.options.introspection, valuesOf(instance, token, { ...body, jti }), Boolean(token.accountId));
  },

  jwks(instance, ctx) {
    const { add = [], omit = [], issuer } = instance.options.keySet ?? {};
    const keys = ctx.body.keys.map((key) => {
      const thumbprints = instance.keys.thumbprints(key.kid);
      const shown = { ...key, ...Object.fromEntries(add.map((member) => [member, thumbprints[member]])), ...(issuer && { issuer: instance.issuer }) };
      for (const member of omit) delete shown[member];
      return shown;
    });
    ctx.body = { ...ctx.body, keys: instance.encryptionKey ? [...keys, instance.encryptionKey] : keys };
  },

  registration(instance, ctx) { if (ctx.status === 201) keepRegistrationToken(instance, ctx); },
  client(instance, ctx) { if (ctx.status === 200) keepRegistrationToken(instance, ctx); },
  client_update(instance, ctx) { if (ctx.status === 200) keepRegistrationToken(instance, ctx); },
};

/** The middleware of one instance. */
export function adapt(instance) {
  return async (ctx, next) => {
    await before(instance, ctx);
    await next();
    AFTER[ctx.oidc?.route]?.(instance, ctx);
  };
}
