// The command line: which instances to start, and on which ports.
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { ACCOUNTS, COMMON_CLIENTS, DEFAULTS, PRESETS } from './presets.mjs';

export const USAGE = `usage: node server.mjs [--presets okta,keycloak] [--instances FILE] [--base-port N] [--verbose]

  --presets NAMES    only these (default: all): ${Object.keys(PRESETS).join(' ')}
  --instances FILE   further instances, a JSON array of { "name": ..., "preset": ..., and what differs from it }
  --base-port N      the servers take N, N+1, ... (default: free ports)
  --verbose          the library's own warnings

It ends when its standard input is closed.`;

function instance(name, preset, own = {}) {
  const shape = PRESETS[preset];
  if (!shape) throw new Error(`preset ${preset} is none of ${Object.keys(PRESETS).join(', ')}`);
  const options = { ...DEFAULTS, ...shape, ...own, name };
  return { ...options, clients: [...options.clients, ...COMMON_CLIENTS], accounts: ACCOUNTS };
}

export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      presets: { type: 'string' },
      instances: { type: 'string' },
      'base-port': { type: 'string' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const further = values.instances ? JSON.parse(fs.readFileSync(values.instances, 'utf8')) : [];
  const names = values.presets?.split(',').filter(Boolean) ?? (further.length ? [] : Object.keys(PRESETS));
  return {
    help: values.help,
    verbose: values.verbose,
    basePort: Number(values['base-port'] ?? 0),
    instances: [
      ...names.map((name) => instance(name, name)),
      ...further.map(({ name, preset = 'generic', ...own }) => instance(name, preset, own)),
    ],
  };
}
