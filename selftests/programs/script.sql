-- SPDX-License-Identifier: GPL-2.0-only OR MIT
-- Inserts, indexes, joins, windows, JSON, full text search, and a database that is rewritten.
.bail on
PRAGMA journal_mode = WAL;
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT, joined INTEGER);
CREATE TABLE invoice (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customer, cents INTEGER, note TEXT);

BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO customer SELECT i, printf('customer %05d %s', i, hex(i * 7919 % 65521)),
	'town ' || (i * 31 % 97), 1600000000 + i * 3571 FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO invoice SELECT i, i * 48271 % 5000 + 1, i * 16807 % 100003,
	substr('the quick brown fox jumps over the lazy dog again and again', i % 30 + 1, i % 40) FROM n;
COMMIT;
CREATE INDEX invoice_customer ON invoice(customer, cents);
CREATE INDEX customer_town ON customer(town);

SELECT town, count(*), sum(cents) FROM invoice JOIN customer ON customer.id = customer
	GROUP BY town ORDER BY 3 DESC LIMIT 10;
SELECT customer, cents, rank() OVER (PARTITION BY customer ORDER BY cents DESC) AS r
	FROM invoice WHERE customer < 12 ORDER BY customer, r, cents LIMIT 40;
SELECT json_group_array(json_object('id', id, 'name', name)) FROM
	(SELECT id, name FROM customer ORDER BY name DESC LIMIT 50);
SELECT length(group_concat(note, char(10))) FROM (SELECT note FROM invoice ORDER BY id);

CREATE VIRTUAL TABLE words USING fts5(note);
INSERT INTO words SELECT note FROM invoice WHERE id % 3 = 0;
SELECT count(*) FROM words WHERE words MATCH 'lazy AND dog';
SELECT rowid, snippet(words, 0, '[', ']', '..', 4) FROM words WHERE words MATCH 'qu* OR jum*'
	ORDER BY rank, rowid LIMIT 8;

UPDATE invoice SET note = note || ' paid ' || cents WHERE id % 7 = 0;
DELETE FROM invoice WHERE cents % 5 = 0;
CREATE TABLE copy AS SELECT i.id, c.name, i.note FROM invoice i JOIN customer c ON c.id = i.customer;
SELECT count(*), sum(length(name)), sum(length(note)) FROM copy;
WITH RECURSIVE path(id, depth) AS (SELECT 1, 0 UNION
	SELECT customer * 13 % 60000 + 1, depth + 1 FROM path JOIN invoice USING (id) WHERE depth < 200)
SELECT count(*), max(depth) FROM path;
PRAGMA journal_mode = DELETE;
VACUUM;
PRAGMA integrity_check;
SELECT name, type FROM sqlite_schema ORDER BY name;
