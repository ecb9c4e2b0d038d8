// Tokens, grants and registered clients of one instance, in memory. Lives beside the provider, so that rotating keys
// (which builds a new provider) forgets nothing.

const SWEEP_EVERY_MS = 60_000;
const GRACE_S = 30;

/** The storage class that oidc-provider asks for: it makes one object of it per kind of record. */
export function memoryStorage() {
  const records = new Map(); // "kind:id" -> { value, until }
  const ofGrant = new Map(); // grant id -> set of "kind:id"

  const read = (key) => {
    const record = records.get(key);
    if (record && record.until < Date.now()) {
      records.delete(key);
      return undefined;
    }
    return record?.value;
  };
  setInterval(() => [...records.keys()].forEach(read), SWEEP_EVERY_MS).unref();

  return class {
    constructor(kind) { this.kind = kind; }

    key(id) { return `${this.kind}:${id}`; }

    async upsert(id, value, seconds) {
      const record = { value, until: seconds ? Date.now() + (seconds + GRACE_S) * 1000 : Infinity };
      for (const key of [id, value.uid && `uid:${value.uid}`, value.userCode && `code:${value.userCode}`]) {
        if (key) records.set(this.key(key), record);
      }
      if (value.grantId) ofGrant.set(value.grantId, (ofGrant.get(value.grantId) ?? new Set()).add(this.key(id)));
    }

    async find(id) { return read(this.key(id)); }

    async findByUid(uid) { return read(this.key(`uid:${uid}`)); }

    async findByUserCode(code) { return read(this.key(`code:${code}`)); }

    async consume(id) {
      const value = read(this.key(id));
      if (value) value.consumed = Math.floor(Date.now() / 1000);
    }

    async destroy(id) { records.delete(this.key(id)); }

    async revokeByGrantId(grantId) {
      for (const key of ofGrant.get(grantId) ?? []) records.delete(key);
      ofGrant.delete(grantId);
    }
  };
}
