-- SPDX-License-Identifier: GPL-2.0-only OR MIT
-- Tables, closures and strings that live briefly, and a tree that lives long.
local function tree(depth)
	if depth == 0 then return { leaf = true } end
	return { left = tree(depth - 1), right = tree(depth - 1) }
end

local function count(node)
	return node.leaf and 1 or count(node.left) + count(node.right)
end

local long, total = tree(15), 0
for i = 1, 60 do total = total + count(tree(10)) end
local names = {}
for i = 1, 150000 do
	names[i % 5000 + 1] = "name-" .. i
	local f = function() return names[i % 5000 + 1] end
	total = total + #f()
end
print(total, count(long))
