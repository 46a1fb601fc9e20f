# SPDX-License-Identifier: GPL-2.0-only OR MIT
"""Build, search and write an XML tree."""
import xml.etree.ElementTree as ET

for _ in range(8):
    root = ET.Element("root")
    for i in range(4000):
        e = ET.SubElement(root, "item", id=str(i), kind=f"k{i % 9}")
        ET.SubElement(e, "name").text = f"name {i}"
    tree = ET.fromstring(ET.tostring(root))
    assert len(tree.findall(".//item[@kind='k3']")) == 445
