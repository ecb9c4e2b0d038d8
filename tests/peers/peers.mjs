// Peers of the integration tests: real WebSocket and gRPC libraries, told what to do by one JSON line each on standard
// input. Each line is answered by one on standard output, with the same `id`. Ends with its standard input.

import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import { WebSocket, WebSocketServer } from 'ws';

const proto = fileURLToPath(new URL('bank.proto', import.meta.url));
const { bank } = grpc.loadPackageDefinition(loader.loadSync(proto));

const seen = [];

// A WebSocket backend: echoes each message, and says "tick" for as long as it is asked to.
function webSocketServer() {
  return new Promise((resolve) => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: (protocols) => [...protocols][0] });
    server.on('listening', () => resolve({ port: server.address().port }));
    server.on('connection', (socket, request) => {
      seen.push({ kind: 'websocket', url: request.url, headers: request.headers });
      talkBack(socket);
    });
  });
}

function talkBack(socket) {
  let ticking;
  socket.on('message', (data, isBinary) => {
    if (String(data) === 'tick') {
      ticking = setInterval(() => socket.send('x'.repeat(3000)), 5);
    } else if (String(data) === 'bye') {
      socket.close(4000, 'as asked');
    } else {
      socket.send(data, { binary: isBinary });
    }
  });
  socket.on('close', (code, reason) => {
    clearInterval(ticking);
    seen.push({ kind: 'closed', code, reason: String(reason) });
  });
}

// The same on streams of HTTP/2 (RFC 8441): Node's server for the handshake, the library for the frames.
function webSocketServerOverHttp2({ extended = true }) {
  return new Promise((resolve) => {
    const server = http2.createServer({ settings: { enableConnectProtocol: extended } });
    server.on('stream', (stream, headers) => {
      seen.push({ kind: 'stream', headers });
      stream.on('error', () => {});
      if (headers[':protocol'] !== 'websocket' || headers[':path'].includes('forbidden')) {
        stream.respond({ ':status': 403, 'content-type': 'text/plain' });
        stream.end('not here');
        return;
      }
      const protocol = headers['sec-websocket-protocol'];
      stream.respond({ ':status': 200, ...(protocol ? { 'sec-websocket-protocol': protocol } : {}) });
      const socket = new WebSocket(null, undefined, {});
      socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 1 << 20, skipUTF8Validation: false });
      talkBack(socket);
    });
    server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port }));
  });
}

// Opens a WebSocket, says the messages one after the other, and tells what came back and how it ended.
function webSocketTalk({ url, token, messages = [], protocols = [], until = 'echoes', time = 10000 }) {
  return new Promise((resolve) => {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const socket = new WebSocket(url, protocols, { headers });
    const told = { opened: false, echoes: [], received: 0 };
    const started = Date.now();
    let left = messages.length;
    const end = (more) => {
      clearTimeout(timer);
      resolve({ ...told, ...more, milliseconds: Date.now() - started });
    };
    const timer = setTimeout(() => {
      socket.terminate();
      end({ error: 'no end in time' });
    }, time);
    socket.on('open', () => {
      Object.assign(told, { opened: true, protocol: socket.protocol });
      messages.forEach((message) => socket.send(message));
    });
    socket.on('message', (data) => {
      told.received += 1;
      if (told.echoes.length < 100) told.echoes.push(String(data).slice(0, 20));
      left -= 1;
      if (left === 0 && until === 'echoes') socket.close(1000, 'done');
    });
    socket.on('unexpected-response', (request, response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => end({ status: response.statusCode, body: String(Buffer.concat(chunks)) }));
    });
    socket.on('close', (code, reason) => end({ code, reason: String(reason) }));
    socket.on('error', (error) => end({ error: String(error) }));
  });
}

// A WebSocket over HTTP/2 (RFC 8441): one text there and back, by hand, because the library speaks HTTP/1.1 only.
function webSocketOverHttp2({ origin, path, token, text }) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(origin);
    session.on('error', reject);
    session.on('remoteSettings', (settings) => {
      const headers = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': path, ':authority': new URL(origin).host };
      if (token) headers.authorization = `Bearer ${token}`;
      const stream = session.request({ ...headers, 'sec-websocket-version': '13' }, { endStream: false });
      const told = { enabled: settings.enableConnectProtocol };
      stream.on('response', (answer) => {
        Object.assign(told, { status: answer[':status'], accept: answer['sec-websocket-accept'] ?? null });
        if (told.status !== 200) {
          session.close();
          resolve(told);
          return;
        }
        const payload = Buffer.from(text);
        // final text frame, masked with zeros
        stream.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
      });
      let read = Buffer.alloc(0);
      stream.on('data', (data) => {
        read = Buffer.concat([read, data]);
        if (read.length >= 2 + text.length) {
          told.echo = String(read.subarray(2, 2 + text.length));
          stream.close();
          session.close();
          resolve(told);
        }
      });
      stream.on('error', reject);
    });
  });
}

// A backend of HTTP/2 over TLS that allows a few streams at a time, and that refuses some of them.
function http2Server({ key, certificate, streams, refuse = 0 }) {
  return new Promise((resolve) => {
    const options = { key: readFileSync(key), cert: readFileSync(certificate), allowHTTP1: true };
    const server = http2.createSecureServer({ ...options, settings: { maxConcurrentStreams: streams } });
    let left = refuse;
    server.on('session', () => seen.push({ kind: 'session' }));
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      if (left > 0) {
        left -= 1;
        seen.push({ kind: 'refused' });
        stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
        return;
      }
      let length = 0;
      stream.on('data', (data) => (length += data.length));
      stream.on('end', () => {
        stream.respond({ ':status': 200, 'content-type': 'text/plain' });
        stream.end(`${headers[':method']} ${length}`);
      });
    });
    server.listen(0, '127.0.0.1', () => resolve({ port: server.address().port }));
  });
}

// A gRPC backend.
function grpcServer() {
  const server = new grpc.Server();
  const note = (call) => seen.push({ kind: 'grpc', metadata: call.metadata.getMap(), deadline: Number(call.getDeadline()) - Date.now() });
  server.addService(bank.Echo.service, {
    Say(call, answer) {
      note(call);
      if (call.request.text === 'fail') {
        answer({ code: grpc.status.FAILED_PRECONDITION, details: 'as asked' });
        return;
      }
      const trailers = new grpc.Metadata();
      trailers.set('x-trailer', 'here');
      answer(null, { text: call.request.text }, trailers);
    },
    Wait(call) {
      note(call);
      call.on('cancelled', () => seen.push({ kind: 'cancelled' }));
    },
    Tick(call) {
      note(call);
      let count = 0;
      const ticking = setInterval(() => {
        call.write({ text: String(count) });
        count += 1;
        if (String(count) === call.request.text) {
          clearInterval(ticking);
          call.end();
        }
      }, 20);
      call.on('cancelled', () => {
        clearInterval(ticking);
        seen.push({ kind: 'cancelled' });
      });
    },
    Talk(call) {
      note(call);
      call.on('data', (words) => {
        if (words.text === 'listen') {
          // talks although its client is silent
          let count = 0;
          const talking = setInterval(() => {
            call.write({ text: String(count) });
            count += 1;
            if (count === 30) {
              clearInterval(talking);
              call.end();
            }
          }, 50);
          call.on('cancelled', () => clearInterval(talking));
        } else if (words.text === 'late') {
          call.write(words);
          setTimeout(() => {
            call.write({ text: 'done' });
            call.end();
          }, 1500);
        } else {
          call.write(words);
        }
      });
      call.on('end', () => call.end());
      call.on('cancelled', () => seen.push({ kind: 'cancelled' }));
    },
  });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve({ port })));
  });
}

// One call: what came back, with its status.
function grpcCall({ address, method, token, text = '', texts = [], silent = false, deadline = 10000 }) {
  return new Promise((resolve) => {
    const client = new bank.Echo(address, grpc.credentials.createInsecure());
    const metadata = new grpc.Metadata();
    if (token) metadata.set('authorization', `Bearer ${token}`);
    const options = { deadline: Date.now() + deadline };
    const told = { messages: [] };
    const started = Date.now();
    const end = (more) => {
      client.close();
      resolve({ ...told, ...more, milliseconds: Date.now() - started });
    };
    if (method === 'Say' || method === 'Wait') {
      let trailers = {};
      const call = client[method]({ text }, metadata, options, (error, words) => {
        if (words) told.messages.push(words.text);
        setImmediate(() => end({ code: error?.code ?? 0, details: error?.details ?? '', trailers }));
      });
      call.on('status', (status) => {
        trailers = status.metadata.getMap();
      });
      return;
    }
    const call = method === 'Tick' ? client.Tick({ text }, metadata, options) : client.Talk(metadata, options);
    call.on('data', (words) => told.messages.push(words.text));
    call.on('error', () => {});
    call.on('status', (status) => end({ code: status.code, details: status.details }));
    if (method === 'Talk') {
      // one after the other: each echo is waited for, so both directions are open at a time
      let next = 0;
      const done = () => silent || call.end();
      const say = () => (next < texts.length ? call.write({ text: texts[next++] }) : done());
      call.on('data', say);
      say();
    }
  });
}

const commands = {
  websocket_server: webSocketServer,
  websocket_server_over_http2: webSocketServerOverHttp2,
  websocket_talk: webSocketTalk,
  websocket_over_http2: webSocketOverHttp2,
  http2_server: http2Server,
  grpc_server: grpcServer,
  grpc_call: grpcCall,
  seen: () => seen,
};

const lines = createInterface({ input: process.stdin });
lines.on('line', async (line) => {
  const { id, command, ...parameters } = JSON.parse(line);
  let answer;
  try {
    answer = { id, result: await commands[command](parameters) };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
lines.on('close', () => process.exit(0));
