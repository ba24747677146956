// A guest that returns its input, which may have 4 KB.

__attribute__((import_module("crmgate_v1"), import_name("input"))) int input(char *to, int size);
__attribute__((import_module("crmgate_v1"), import_name("output"))) void output(const char *from, int size);

static char buffer[4096];

__attribute__((export_name("echo"))) int echo(void) {
  int size = input(buffer, sizeof buffer);
  output(buffer, size);
  return 0;
}
