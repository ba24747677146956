package meter

// Limits of a module's shape. Compiling takes time and memory that grow faster than a function does, and cannot be
// stopped. What toolchains emit stays below.
const (
	maxTypes     = 1 << 14
	maxParams    = 128
	maxResults   = 16
	maxImports   = 1 << 10
	maxFunctions = 1 << 16
	maxTables    = 4
	maxElements  = 1 << 16 // of a table: the engine keeps tables outside of the memory's limit
	maxInitial   = 1 << 18 // elements of all segments: the engine evaluates each of them for every instance
	maxPages     = 1 << 15 // of memory, 64 KiB each
	maxGlobals   = 1 << 12
	maxExports   = 1 << 14
	maxName      = 1 << 10 // bytes
	maxElemParts = 1 << 12 // element segments
	maxDataParts = 1 << 18 // data segments; a module in Go has tens of thousands

	maxBraked = 24 << 20 // bytes of code with the brake, which makes an empty loop nine times as long

	maxBody    = 128 << 10 // bytes of a function
	maxLocals  = 512       // of a function, without its parameters
	maxNesting = 2048      // of blocks; in real modules 549
	maxLoops   = 64        // loops in each other; in real modules 21
	maxFrame   = 1 << 20   // bytes on the engine's stack, by the bound of frame; in real modules 240 KB
)

// Budgets of a module. wazero's compiler takes time by the square of what it must join: some ten nanoseconds for each value
// that is kept, local or operand, and each pair of paths in a function; and half a microsecond for each call and each global
// that can change. The connectors of this repository and QuickJS take a half of the first, and a twentieth of the second. The
// worst modules that were found within the budgets compile in some thirty seconds.
const (
	maxJoins   = 3 << 30
	maxReloads = 4 << 20
	maxKept    = 4 << 20 // values times paths of one function, which the compiler keeps in memory; in real modules 230,000
)
