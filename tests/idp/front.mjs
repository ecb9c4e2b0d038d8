// The listeners: several instances may share a port and are told apart by path, as one server's organisations are.
import http from 'node:http';
import https from 'node:https';
import { control } from './controls.mjs';
import { misbehave } from './faults.mjs';
import { answerJson } from './http.mjs';
import { Instance } from './instance.mjs';

/** Which instance and which of its endpoints a path belongs to: the longest endpoint that it is, or is under. */
function find(instances, pathname) {
  const asked = instances.find(({ discovery }) => discovery.includes(pathname));
  if (asked) return { instance: asked, route: 'discovery' };
  const candidates = instances.flatMap((instance) => Object.entries(instance.options.paths)
    .filter(([, path]) => path && (pathname === path || pathname.startsWith(`${path}/`)))
    .map(([route, path]) => ({ instance, route, path })));
  return candidates.sort((a, b) => b.path.length - a.path.length)[0];
}

async function serve(instances, request, response) {
  const url = new URL(request.url, 'http://ignored');
  if (url.pathname.startsWith('/__')) return control(instances, url, request, response);
  const found = find(instances, url.pathname);
  if (!found) return answerJson(response, 404, { error: 'not_found', path: url.pathname });
  const { instance, route } = found;
  instance.stats[route] = (instance.stats[route] ?? 0) + 1;
  if (await misbehave(instance.faults[route], request, response)) return undefined;
  if (route === 'discovery') request.url = `/.well-known/openid-configuration${url.search}`;
  return instance.handle(request, response);
}

/** Opens one loopback listener and starts its instances; port 0 takes a free one. */
export async function open(options, port, authority) {
  const instances = [];
  const handler = (request, response) => {
    serve(instances, request, response).catch((error) => {
      process.stderr.write(`${error.stack}\n`);
      if (!response.headersSent) answerJson(response, 500, { error: 'server_error' });
    });
  };
  const tls = options.some((each) => each.tls);
  const server = tls
    ? https.createServer({ cert: authority.server.certificate, key: authority.server.key, ca: authority.ca, requestCert: true, rejectUnauthorized: false }, handler)
    : http.createServer(handler);
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const base = `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}`;
  instances.push(...await Promise.all(options.map((each) => Instance.create(each, base))));
  return { server, instances, tls };
}
