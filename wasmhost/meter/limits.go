package meter

import "time"

// Limits of a module's shape.
//
// Compile time and memory grow faster than the size of a function, and a compilation cannot be stopped. Toolchains stay
// below these limits.
const (
	maxTypes           = 1 << 14
	maxParams          = 128
	maxResults         = 16
	maxImports         = 1 << 10
	maxFunctions       = 1 << 16
	maxTables          = 4
	maxTableSize       = 1 << 16 // elements of a table; the engine does not count tables towards the memory limit
	maxSegmentElements = 1 << 18 // elements of all segments; the engine evaluates each of them for every instance
	maxPages           = 1 << 15 // memory pages of 64 KiB
	maxGlobals         = 1 << 12
	maxExports         = 1 << 14
	maxName            = 1 << 10 // bytes
	maxElementSegments = 1 << 12 // element segments
	maxDataSegments    = 1 << 18 // Go modules have tens of thousands

	maxInstrumented = 24 << 20 // bytes of instrumented code; the checks make an empty loop nine times as long

	maxBody    = 128 << 10 // bytes of a function
	maxLocals  = 512       // locals of a function, without its parameters
	maxNesting = 2048      // nested blocks; real modules have up to 549
	maxLoops   = 64        // nested loops; real modules have up to 21
	maxFrame   = 1 << 20   // bytes of a stack frame, by the bound of type frame; real modules have up to 240 KB
)

// Limits of a module's compile time.
const (
	maxCompiling = int64(5 * time.Second) // see CompileTime; the estimate for a connector in Go is 3.4 s
	maxLive      = 4 << 20                // live values times paths of one function, which the compiler keeps in memory; real modules have up to 230,000
)
