#include "tool.h"
int cmd_replay(int argc, char **argv) { (void)argc; return usage_error("%s: not built", *argv); }
