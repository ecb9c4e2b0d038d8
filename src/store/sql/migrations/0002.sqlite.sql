-- How many applications, and how many subscriptions, have one policy.
INSERT INTO tallies (kind, facet, value, n)
SELECT kind, 'policy', json_extract(declared, '$.policy'), count(*) FROM objects
WHERE kind IN ('application', 'subscription') AND json_type(declared, '$.policy') = 'text'
    AND length(CAST(json_extract(declared, '$.policy') AS BLOB)) <= 2000
GROUP BY kind, json_extract(declared, '$.policy');
-- The entries since a time.
CREATE INDEX audit_at ON audit (at, entry);
