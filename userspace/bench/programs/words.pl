# SPDX-License-Identifier: GPL-2.0-only OR MIT
# Word frequencies, then an inverted index: hashes of arrays of short strings.
use strict;
use warnings;

my (%count, %where, $line);
while (<>) {
	$line++;
	for my $word (split /\W+/) {
		$count{$word}++;
		push @{$where{$word}}, "$line:" . length $word;
	}
}
my @top = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
print "$_ $count{$_} $#{$where{$_}}\n" for @top;
