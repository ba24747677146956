// Typical code, to compare engines. Each function takes a number, and returns a checksum.
#define EXPORT(name) __attribute__((export_name(#name)))
typedef unsigned int u32;
typedef unsigned long long u64;

void *memcpy(void *to, const void *from, __SIZE_TYPE__ n) {
  char *t = to;
  const char *f = from;
  while (n--) *t++ = *f++;
  return to;
}

void *memset(void *to, int c, __SIZE_TYPE__ n) {
  char *t = to;
  while (n--) *t++ = (char)c;
  return to;
}

static u32 seed;
static u32 next(void) { return seed = seed * 1664525u + 1013904223u; }

static int numbers[1000];

static void sort(int *a, int n) {
  if (n < 2) return;
  int pivot = a[n / 2], i = 0, j = n - 1;
  while (i <= j) {
    while (a[i] < pivot) i++;
    while (a[j] > pivot) j--;
    if (i <= j) {
      int t = a[i];
      a[i++] = a[j];
      a[j--] = t;
    }
  }
  sort(a, j + 1);
  sort(a + i, n - i);
}

EXPORT(sorting) u32 sorting(u32 n) {
  seed = n;
  for (int i = 0; i < 1000; i++) numbers[i] = (int)next();
  sort(numbers, 1000);
  u32 sum = 0;
  for (int i = 0; i < 1000; i++) sum = sum * 31 + (u32)numbers[i];
  return sum;
}

EXPORT(hashing) u32 hashing(u32 n) {
  u64 h = 14695981039346656037ull ^ n;
  for (u32 i = 0; i < 2000; i++) {
    h = (h ^ (i & 0xff)) * 1099511628211ull;
    h = (h << (i & 63)) | (h >> ((64 - i) & 63));
    if (h % 7 == 3) h /= 3;
  }
  return (u32)(h ^ (h >> 32));
}

EXPORT(floating) u32 floating(u32 n) {
  double x = (double)n + 0.5, sum = 0;
  float y = (float)n;
  for (int i = 1; i < 500; i++) {
    x = __builtin_sqrt(x * x + i) / (1.0 + 1.0 / i);
    y = y * 1.0001f + (float)x;
    sum += __builtin_floor(x) - __builtin_fabs(y) + (double)(long long)y + (double)(u32)i;
  }
  union {
    double d;
    u64 u;
  } v = {sum};
  return (u32)(v.u ^ (v.u >> 32));
}

static u32 ackermann(u32 m, u32 n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

EXPORT(recursing) u32 recursing(u32 n) { return ackermann(2, n % 40); }

static u32 up(u32 x) { return x + 3; }
static u32 down(u32 x) { return x - 1; }
static u32 twice(u32 x) { return x * 2; }
static u32 mixed(u32 x) { return x ^ (x >> 3); }
static u32 (*const steps[])(u32) = {up, down, twice, mixed};

EXPORT(indirect) u32 indirect(u32 n) {
  u32 x = n;
  for (u32 i = 0; i < 3000; i++) x = steps[(x ^ i) & 3](x);
  return x;
}

static char text[4096];

EXPORT(copying) u32 copying(u32 n) {
  for (u32 i = 0; i < sizeof text; i++) text[i] = (char)(i * n);
  for (u32 i = 0; i < 50; i++) {
    __builtin_memcpy(text + (i * 37) % 1000, text + 2000 + i, 800);
    __builtin_memset(text + (i * 91) % 3000, (int)i, i * 3);
  }
  u32 sum = 0;
  for (u32 i = 0; i < sizeof text; i++) sum = sum * 33 + (u32)text[i];
  return sum;
}

EXPORT(choosing) u32 choosing(u32 n) {
  u32 x = n, state = 0;
  for (u32 i = 0; i < 3000; i++) {
    switch (state) {
    case 0: x += 7; state = x & 1 ? 3 : 1; break;
    case 1: x *= 3; state = 2; break;
    case 2: x ^= i; state = x % 5; break;
    case 3: x -= i; state = 4; break;
    case 4: x = (x << 5) | (x >> 27); state = x & 3; break;
    default: state = 0;
    }
  }
  return x;
}
