-- SPDX-License-Identifier: GPL-2.0-only OR MIT
-- A table with an index, grouped and joined in memory: parser, B-trees, sorter, strings.
PRAGMA temp_store = MEMORY;
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, value INTEGER);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO item SELECT i, printf('item-%d-%x', i % 997, i * 7919), i * 31 % 1000 FROM n;
CREATE INDEX by_value ON item(value, name);
SELECT value, count(*), group_concat(name, ',') FROM item GROUP BY value ORDER BY 2, 1;
SELECT substr(name, 1, 8), sum(value) FROM item GROUP BY 1 HAVING sum(value) > 10 ORDER BY 2 DESC;
SELECT count(*) FROM item a JOIN item b ON a.value = b.id WHERE b.name LIKE 'item-1%';
