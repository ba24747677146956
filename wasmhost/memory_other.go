//go:build !unix

package wasmhost

import "context"

// withMemory does nothing: the engine keeps the memory of instances in Go's heap.
func withMemory(ctx context.Context) (_ context.Context, free func()) { return ctx, func() {} }
