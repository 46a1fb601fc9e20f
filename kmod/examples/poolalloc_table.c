// SPDX-License-Identifier: GPL-2.0-only
/*
 * An example of a module that uses poolalloc: a table of keys and values, as
 * records of just the size that they need.
 *
 *	echo "set KEY VALUE" > /proc/poolalloc_table	the value may have spaces
 *	echo "del KEY" > /proc/poolalloc_table
 *	cat /proc/poolalloc_table			all of them, in no order
 *
 * Readers take no lock: a record is never changed after it was published, and
 * is freed after a grace period when it was replaced or removed.
 */
#include <linux/hashtable.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poolalloc.h>
#include <linux/proc_fs.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/stringhash.h>
#include <linux/uaccess.h>

#define TABLE_NAME	"poolalloc_table"
#define TABLE_BITS	10
#define COMMAND_MAX	8192

/**
 * struct record - a key and its value
 * @node: in its bucket. Table lock; readers under RCU.
 * @hash: of the key; constant, as the rest
 * @value: offset of the value in @text
 * @text: the key and the value, each with a NUL behind it
 *
 * No rcu_head: poolalloc_free_rcu() needs none.
 */
struct record {
	struct hlist_node node;
	u32 hash;
	u32 value;
	char text[];
};

static DEFINE_HASHTABLE(table, TABLE_BITS);
static DEFINE_MUTEX(table_lock);	/* who changes the table */
static unsigned long table_records;	/* table lock */

static unsigned int fill;
module_param(fill, uint, 0444);
MODULE_PARM_DESC(fill, "Records to begin with, of 32 bytes to about 1 KiB (default 0)");

static u32 key_hash(const char *key)
{
	return full_name_hash(NULL, key, strlen(key));
}

static struct record *record_new(const char *key, const char *value)
{
	size_t key_bytes = strlen(key) + 1, value_bytes = strlen(value) + 1;
	struct record *r;

	/* NULL too if it were more than POOLALLOC_MAX_SIZE. */
	r = poolalloc_alloc(struct_size(r, text, key_bytes + value_bytes), GFP_KERNEL);
	if (!r)
		return NULL;
	r->hash = key_hash(key);
	r->value = key_bytes;
	memcpy(r->text, key, key_bytes);
	memcpy(r->text + key_bytes, value, value_bytes);
	return r;
}

static struct record *record_find(const char *key)
{
	u32 hash = key_hash(key);
	struct record *r;

	hash_for_each_possible_rcu(table, r, node, hash, lockdep_is_held(&table_lock))
		if (r->hash == hash && !strcmp(r->text, key))
			return r;
	return NULL;
}

static int table_set(const char *key, const char *value)
{
	struct record *r = record_new(key, value), *old;

	if (!r)
		return -ENOMEM;
	mutex_lock(&table_lock);
	old = record_find(key);
	if (old) {
		hlist_replace_rcu(&old->node, &r->node);
	} else {
		hash_add_rcu(table, &r->node, r->hash);
		table_records++;
	}
	mutex_unlock(&table_lock);
	poolalloc_free_rcu(old);
	return 0;
}

static int table_del(const char *key)
{
	struct record *r;

	mutex_lock(&table_lock);
	r = record_find(key);
	if (r) {
		hash_del_rcu(&r->node);
		table_records--;
	}
	mutex_unlock(&table_lock);
	poolalloc_free_rcu(r);
	return r ? 0 : -ENOENT;
}

static int table_command(char *line)
{
	char *word = strsep(&line, " "), *key;

	if (!line)
		return -EINVAL;
	if (!strcmp(word, "del"))
		return table_del(line);
	key = strsep(&line, " ");
	if (strcmp(word, "set") || !*key || !line)
		return -EINVAL;
	return table_set(key, line);
}

static ssize_t table_write(struct file *file, const char __user *from, size_t len, loff_t *pos)
{
	char *line;
	int ret;

	if (len > COMMAND_MAX)
		return -E2BIG;
	line = memdup_user_nul(from, len);
	if (IS_ERR(line))
		return PTR_ERR(line);
	ret = table_command(strim(line));
	kfree(line);
	return ret ?: len;
}

/* A bucket a step; nothing is held between two of them. */
static void *table_start(struct seq_file *m, loff_t *pos)
{
	return *pos < HASH_SIZE(table) ? &table[*pos] : NULL;
}

static void *table_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return table_start(m, pos);
}

static void table_stop(struct seq_file *m, void *v)
{
}

static int table_show(struct seq_file *m, void *v)
{
	struct hlist_head *bucket = v;
	struct record *r;

	rcu_read_lock();
	hlist_for_each_entry_rcu(r, bucket, node)
		seq_printf(m, "%s %s\n", r->text, r->text + r->value);
	rcu_read_unlock();
	return 0;
}

static const struct seq_operations table_seq_ops = {
	.start	= table_start,
	.next	= table_next,
	.stop	= table_stop,
	.show	= table_show,
};

static int table_open(struct inode *inode, struct file *file)
{
	return seq_open(file, &table_seq_ops);
}

static const struct proc_ops table_proc_ops = {
	.proc_open	= table_open,
	.proc_read	= seq_read,
	.proc_write	= table_write,
	.proc_lseek	= seq_lseek,
	.proc_release	= seq_release,
};

/* Nobody reads any more: no grace period is needed. */
static void table_clear(void)
{
	struct hlist_node *next;
	struct record *r;
	unsigned int i;

	hash_for_each_safe(table, i, next, r, node)
		poolalloc_free(r);
	hash_init(table);
}

static int __init table_fill(void)
{
	char key[16], value[1000];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < fill && !ret; i++) {
		size_t len = i * 37 % sizeof(value);

		scnprintf(key, sizeof(key), "key%u", i);
		memset(value, 'a' + i % 26, len);
		value[len] = '\0';
		ret = table_set(key, value);
	}
	return ret;
}

static int __init table_init(void)
{
	int ret = table_fill();

	if (!ret && !proc_create(TABLE_NAME, 0600, NULL, &table_proc_ops))
		ret = -ENOMEM;
	if (ret)
		table_clear();
	else
		pr_info("%lu records\n", table_records);
	return ret;
}

/* What was passed to poolalloc_free_rcu() is poolalloc's to wait for. */
static void __exit table_exit(void)
{
	remove_proc_entry(TABLE_NAME, NULL);
	table_clear();
}

module_init(table_init);
module_exit(table_exit);

MODULE_DESCRIPTION("Example of a module that uses poolalloc: a table of keys and values");
MODULE_AUTHOR("The poolalloc authors");
MODULE_LICENSE("GPL");
