// X.509 certificates for the tests, written as DER by hand: no openssl on the machine, no key on the disk.
import crypto from 'node:crypto';

function tlv(tag, ...parts) {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

const sequence = (...parts) => tlv(0x30, ...parts);
const bits = (content) => tlv(0x03, Buffer.from([0]), content);
const octets = (content) => tlv(0x04, content);
const text = (value) => tlv(0x0c, Buffer.from(value));
const yes = tlv(0x01, Buffer.from([0xff]));

function oid(dotted) {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function utcTime(date) {
  const digits = date.toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return tlv(0x17, Buffer.from(`${digits}Z`));
}

const ATTRIBUTE = { O: '2.5.4.10', CN: '2.5.4.3' };
const name = (attributes) => sequence(...Object.entries(attributes).map(([key, value]) => tlv(0x31, sequence(oid(ATTRIBUTE[key]), text(value)))));

const SIGNATURE = {
  rsa: sequence(oid('1.2.840.113549.1.1.11'), tlv(0x05)), // sha256WithRSAEncryption
  ec: sequence(oid('1.2.840.10045.4.3.2')), // ecdsa-with-SHA256
  ed25519: sequence(oid('1.3.101.112')),
};

const extension = (id, content, ...critical) => sequence(oid(id), ...critical, octets(content));
const EXTENSION = {
  authority: () => extension('2.5.29.19', sequence(yes), yes),
  server: () => extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'))),
  client: () => extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.2'))),
  loopback: () => extension('2.5.29.17', sequence(tlv(0x82, Buffer.from('localhost')), tlv(0x87, Buffer.from([127, 0, 0, 1])))),
};

/** One certificate as DER: `subject`'s key, signed by `issuer`'s (or by itself). `use` lists names of EXTENSION. */
export function certificate({ subject, publicKey, issuer = subject, signingKey, use = [] }) {
  const algorithm = SIGNATURE[signingKey.asymmetricKeyType];
  const yesterday = new Date(Date.now() - 86_400_000);
  const inTenYears = new Date(Date.now() + 3650 * 86_400_000);
  const serial = Buffer.concat([Buffer.from([0x01]), crypto.randomBytes(15)]);
  const body = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))), // version 3
    tlv(0x02, serial),
    algorithm,
    name(issuer),
    sequence(utcTime(yesterday), utcTime(inTenYears)),
    name(subject),
    publicKey.export({ format: 'der', type: 'spki' }),
    ...(use.length ? [tlv(0xa3, sequence(...use.map((each) => EXTENSION[each]())))] : []),
  );
  const digest = signingKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  return sequence(body, algorithm, bits(crypto.sign(digest, body, signingKey)));
}

export function pem(label, der) {
  return `-----BEGIN ${label}-----\n${der.toString('base64').replace(/(.{64})(?=.)/g, '$1\n')}\n-----END ${label}-----\n`;
}

/** A test authority with a server certificate for the loopback address and two client certificates, all in memory. */
export function testAuthority() {
  const ca = { subject: { O: 'Test', CN: 'Test CA' }, ...crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' }) };
  const root = certificate({ ...ca, signingKey: ca.privateKey, use: ['authority'] });
  const issue = (commonName, ...use) => {
    const pair = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const subject = { O: 'Test', CN: commonName };
    const der = certificate({ subject, publicKey: pair.publicKey, issuer: ca.subject, signingKey: ca.privateKey, use });
    return { certificate: pem('CERTIFICATE', der), key: pair.privateKey.export({ format: 'pem', type: 'pkcs8' }) };
  };
  return {
    ca: pem('CERTIFICATE', root),
    server: issue('localhost', 'server', 'loopback'),
    clients: { 'app-tls-auth': issue('app-tls-auth', 'client'), other: issue('other', 'client') },
  };
}
