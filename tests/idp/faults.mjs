// Answers of a broken authorization server. A fault is JSON; see README.md for its members.
import { setTimeout as wait } from 'node:timers/promises';

/** Answers in the library's place and says so, or returns false: then the request goes on as usual. */
export async function misbehave(fault, request, response) {
  if (!fault || fault.times <= 0) return false;
  fault.times -= 1;
  if (fault.delay_ms) await wait(Number(fault.delay_ms));
  if (fault.hang) return true;
  if (fault.drop) {
    request.socket.destroy();
    return true;
  }
  const answers = ['status', 'body', 'headers', 'size', 'drip_ms', 'truncate'].some((member) => fault[member] !== undefined);
  if (!answers) return false;
  const body = content(fault);
  const length = fault.truncate ? { 'content-length': body.length + 100 } : {};
  response.writeHead(Number(fault.status ?? 200), { 'content-type': 'application/json', ...length, ...fault.headers });
  if (fault.truncate) {
    response.write(body, () => request.socket.destroy());
  } else if (fault.drip_ms) {
    await drip(body, Number(fault.drip_ms), response);
  } else {
    response.end(body);
  }
  return true;
}

function content({ size, body }) {
  if (size) return Buffer.alloc(Number(size), ' ');
  if (body === undefined) return Buffer.from('{"error":"server_error"}');
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

async function drip(body, pause, response) {
  for (const byte of body) {
    if (response.destroyed) return;
    response.write(Buffer.from([byte]));
    await wait(pause);
  }
  response.end();
}
