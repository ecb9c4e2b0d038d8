#!/usr/bin/env node
// Authorization servers for the gateway's integration tests: real OAuth over oidc-provider, loopback only, all in memory.
// Prints one JSON line per instance when it answers, then {"event":"all_ready"}. README.md tells the rest.
import { testAuthority } from './certificates.mjs';
import { readOptions, USAGE } from './options.mjs';

const options = readOptions(process.argv.slice(2));
if (options.help) {
  process.stdout.write(`${USAGE}\n`);
  process.exit(0);
}

// Whoever started this holds the other end of its standard input: when that is gone, so is the reason to run.
const stop = () => process.exit(0);
process.stdin.on('end', stop).on('error', stop).resume();
process.on('SIGINT', stop).on('SIGTERM', stop);
const parent = process.ppid;
setInterval(() => { if (process.ppid !== parent) stop(); }, 1000).unref();

// The library is written for Node 22; this is the one call that Node 20 lacks.
URL.parse ??= (input, base) => (URL.canParse(input, base) ? new URL(input, base) : null);
if (!options.verbose) {
  console.warn = () => {};
  console.info = () => {};
}
const { open } = await import('./front.mjs');

const byServer = new Map();
for (const instance of options.instances) {
  const server = instance.server ?? instance.name;
  byServer.set(server, [...(byServer.get(server) ?? []), instance]);
}
const needsTls = options.instances.some((instance) => instance.tls);
const authority = needsTls ? testAuthority() : undefined;
const listeners = await Promise.all([...byServer.values()].map((instances, position) => (
  open(instances, options.basePort && options.basePort + position, authority)
)));

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
for (const { instances, tls } of listeners) {
  const trust = tls ? { ca: authority.ca, client_certificates: authority.clients } : {};
  for (const instance of instances) say({ event: 'ready', ...instance.describe(), ...trust });
}
say({ event: 'all_ready', instances: options.instances.length, pid: process.pid });
