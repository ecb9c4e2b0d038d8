// What a test asks of the server beside OAuth, under /__: rotate keys, break an endpoint, count requests.
import { answerJson, readBody } from './http.mjs';

const pick = (instances, read) => Object.fromEntries(instances.map((instance) => [instance.options.name, read(instance)]));

const CONTROLS = {
  'GET /__health': () => ({ ok: true }),

  'GET /__state': (instances) => pick(instances, (instance) => ({
    ...instance.describe(),
    keys: instance.keys.describe(),
    clients: instance.options.clients,
    accounts: Object.keys(instance.options.accounts),
    resources: Object.keys(instance.options.resources),
    stats: instance.stats,
    faults: instance.faults,
  })),

  'GET /__stats': (instances) => pick(instances, (instance) => instance.stats),

  'POST /__stats': (instances) => {
    instances.forEach((instance) => { instance.stats = {}; });
    return { reset: true };
  },

  'POST /__rotate': async (instances, { mode, alg }) => {
    for (const instance of instances) await instance.rotate(mode, alg);
    return pick(instances, (instance) => instance.keys.describe());
  },

  'POST /__fault': (instances, { route, clear, ...fault }) => {
    for (const { faults } of instances) {
      if (clear) delete faults[route];
      else faults[route] = { ...fault, times: Number(fault.times ?? Infinity) };
    }
    return pick(instances, (instance) => instance.faults);
  },

  'POST /__dpop-nonce': (instances, { require }) => {
    instances.forEach((instance) => { instance.requireNonce = String(require) !== 'false'; });
    return { ok: true };
  },
};

async function parameters(url, request) {
  const raw = request.method === 'POST' ? await readBody(request) : '';
  return { ...Object.fromEntries(url.searchParams), ...(raw ? JSON.parse(raw) : {}) };
}

/** `instances` are those of the port; `?instance=` chooses one of them. */
export async function control(instances, url, request, response) {
  const act = CONTROLS[`${request.method} ${url.pathname}`];
  if (!act) return answerJson(response, 404, { error: 'no such control' });
  try {
    const { instance: only, ...given } = await parameters(url, request);
    const chosen = only ? instances.filter(({ options }) => options.name === only) : instances;
    if (chosen.length === 0) return answerJson(response, 404, { error: `no instance ${only} on this port` });
    return answerJson(response, 200, await act(chosen, given));
  } catch (error) {
    return answerJson(response, 400, { error: error.message });
  }
}
