-- How many applications, and how many subscriptions, have one policy.
INSERT INTO tallies (kind, facet, value, n)
SELECT kind, 'policy', CAST(declared AS JSON) ->> 'policy', count(*) FROM objects
WHERE kind IN ('application', 'subscription')
    AND json_typeof(CAST(declared AS JSON) -> 'policy') = 'string'
    AND octet_length(CAST(declared AS JSON) ->> 'policy') <= 2000
GROUP BY kind, CAST(declared AS JSON) ->> 'policy';
-- The entries since a time.
CREATE INDEX audit_at ON audit (at, entry);
