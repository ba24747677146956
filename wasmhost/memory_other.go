//go:build !unix

package wasmhost

import "context"

// withMemory leaves the memory of instances to the engine, which keeps it in Go's heap.
func withMemory(ctx context.Context) (_ context.Context, free func()) { return ctx, func() {} }
