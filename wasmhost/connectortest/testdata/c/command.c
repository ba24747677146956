// A command instead of a reactor.
#include "connector.h"

OAUTH

int main(void) { return 0; }
