// Shapes: how a preset turns the library's claims and answers into those of the product that it imitates.
//
// A shape is { set, unset, app: { set, unset }, user: { set, unset } }; `app` is for tokens of a client alone, `user` for
// a user's. In `set`, "$name" is the value called name (any JSON type; undefined drops the member) and "${name}" stands
// inside a longer string.
import crypto from 'node:crypto';

function fill(template, values) {
  if (Array.isArray(template)) return template.map((item) => fill(item, values)).filter((item) => item !== undefined);
  if (template && typeof template === 'object') {
    const members = Object.entries(template).map(([key, item]) => [key, fill(item, values)]);
    return Object.fromEntries(members.filter(([, item]) => item !== undefined));
  }
  if (typeof template !== 'string') return template;
  const whole = template.match(/^\$(\w+)$/);
  return whole ? values[whole[1]] : template.replace(/\$\{(\w+)\}/g, (_, key) => String(values[key] ?? ''));
}

/** Changes `target` in place and returns it. */
export function reshape(target, shape, values, isUser) {
  for (const part of shape ? [shape, isUser ? shape.user : shape.app] : []) {
    Object.assign(target, fill(part?.set ?? {}, values));
    for (const member of part?.unset ?? []) delete target[member];
  }
  return target;
}

function stableUuid(seed) {
  const hex = crypto.createHash('sha256').update(seed).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** What a shape may name for one token. */
export function valuesOf(instance, token, more = {}) {
  const { options } = instance;
  const isUser = Boolean(token.accountId);
  const issuedAt = token.iat ?? Math.floor(Date.now() / 1000);
  const client = options.clients.find(({ client_id: id }) => id === token.clientId);
  return {
    client_uuid: stableUuid(`${options.name}:${token.clientId}`),
    ...options.accounts[token.accountId]?.values,
    iss: instance.issuer,
    base: instance.base,
    client_id: token.clientId,
    client_name: client?.client_name,
    sub: token.accountId ?? token.clientId,
    username: token.accountId,
    scope: token.scope,
    scope_array: token.scope?.split(' '),
    aud: token.aud,
    jti: token.jti,
    uuid: crypto.randomUUID(),
    random: crypto.randomBytes(16).toString('base64url'),
    iat: issuedAt,
    nbf: issuedAt,
    exp: token.exp ?? issuedAt + token.expiration,
    grant: isUser ? 'password' : 'client-credentials',
    ...more,
  };
}
