# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Pickle and unpickle in both directions."""
import pickle

DOC = [(i, str(i), [float(i), None], {"k": i}) for i in range(20000)]
for protocol in (2, 4, 5) * 4:
    assert len(pickle.loads(pickle.dumps(DOC, protocol))) == len(DOC)
