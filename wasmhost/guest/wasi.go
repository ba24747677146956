package guest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// WASIModule is the import module of WASI preview 1, which language runtimes use.
const WASIModule = "wasi_snapshot_preview1"

// Limits of a WASI call.
const (
	maxVectors       = 1024
	maxWrite         = 64 << 10 // bytes; the guest writes the rest with its next call
	maxSubscriptions = 64
)

// errno is the result of a WASI function.
type errno uint64

const (
	errnoSuccess errno = 0
	errnoBadf    errno = 8
	errnoFault   errno = 21
	errnoInval   errno = 28
)

var le = binary.LittleEndian

// wasiFunctions returns the functions that the runtimes of Go, C, C++, Rust and QuickJS import. A guest has the standard
// streams but no files: standard input is empty, and output goes to the log.
func wasiFunctions() []hostFunction {
	ints := func(n int) []api.ValueType { return slices.Repeat([]api.ValueType{i32}, n) }
	result := ints(1)
	return []hostFunction{
		{"args_get", ints(2), result, wasi(emptyList)},
		{"args_sizes_get", ints(2), result, wasi(emptyListSizes)},
		{"clock_time_get", []api.ValueType{i32, i64, i32}, result, wasi(clockTimeGet)},
		{"environ_get", ints(2), result, wasi(environGet)},
		{"environ_sizes_get", ints(2), result, wasi(environSizesGet)},
		{"fd_fdstat_get", ints(2), result, wasi(fdFdstatGet)},
		{"fd_read", ints(4), result, wasi(fdRead)},
		{"fd_write", ints(4), result, wasi(fdWrite)},
		{"poll_oneoff", ints(4), result, wasi(pollOneoff)},
		{"proc_exit", ints(1), nil, func(_ context.Context, _ *call, _ api.Memory, s []uint64) {
			panic(sys.NewExitError(uint32(s[0])))
		}},
		{"random_get", ints(2), result, wasi(randomGet)},
		{"sched_yield", nil, result, wasi(schedYield)},

		{"fd_close", ints(1), result, noFile},
		{"fd_fdstat_set_flags", ints(2), result, noFile},
		{"fd_filestat_get", ints(2), result, noFile},
		{"fd_filestat_set_size", []api.ValueType{i32, i64}, result, noFile},
		{"fd_pread", []api.ValueType{i32, i32, i32, i64, i32}, result, noFile},
		{"fd_prestat_dir_name", ints(3), result, noFile},
		{"fd_prestat_get", ints(2), result, noFile},
		{"fd_pwrite", []api.ValueType{i32, i32, i32, i64, i32}, result, noFile},
		{"fd_readdir", []api.ValueType{i32, i32, i32, i64, i32}, result, noFile},
		{"fd_seek", []api.ValueType{i32, i64, i32, i32}, result, noFile},
		{"fd_sync", ints(1), result, noFile},
		{"path_create_directory", ints(3), result, noFile},
		{"path_filestat_get", ints(5), result, noFile},
		{"path_filestat_set_times", []api.ValueType{i32, i32, i32, i32, i64, i64, i32}, result, noFile},
		{"path_open", []api.ValueType{i32, i32, i32, i32, i32, i64, i64, i32, i32}, result, noFile},
		{"path_readlink", ints(6), result, noFile},
		{"path_remove_directory", ints(3), result, noFile},
		{"path_rename", ints(6), result, noFile},
		{"path_unlink_file", ints(3), result, noFile},
		{"sock_accept", ints(3), result, noFile},
		{"sock_shutdown", ints(2), result, noFile},
	}
}

// wasi returns a host function that leaves f's errno on the stack.
func wasi(f func(ctx context.Context, c *call, mem api.Memory, s []uint64) errno) func(context.Context, *call, api.Memory, []uint64) {
	return func(ctx context.Context, c *call, mem api.Memory, s []uint64) { s[0] = uint64(f(ctx, c, mem, s)) }
}

// noFile implements functions on files, folders and sockets.
func noFile(_ context.Context, _ *call, _ api.Memory, s []uint64) { s[0] = uint64(errnoBadf) }

// emptyList and emptyListSizes implement a list without members, such as the arguments.
func emptyList(context.Context, *call, api.Memory, []uint64) errno { return errnoSuccess }

func emptyListSizes(_ context.Context, _ *call, mem api.Memory, s []uint64) errno {
	return writeResult(mem.WriteUint32Le(uint32(s[0]), 0) && mem.WriteUint32Le(uint32(s[1]), 0))
}

// environment is the same for all modules. With it, Go's runtime collects memory when the heap has grown by a quarter, not only when it
// has doubled. The JavaScript engine gets none, so that its memory is not laid out for a variable that it does not read.
const environment = "GOGC=25\x00"

func environGet(_ context.Context, c *call, mem api.Memory, s []uint64) errno {
	if c.module.script != nil {
		return errnoSuccess
	}
	list, text := uint32(s[0]), uint32(s[1])
	return writeResult(mem.WriteUint32Le(list, text) && mem.WriteString(text, environment))
}

func environSizesGet(ctx context.Context, c *call, mem api.Memory, s []uint64) errno {
	if c.module.script != nil {
		return emptyListSizes(ctx, c, mem, s)
	}
	return writeResult(mem.WriteUint32Le(uint32(s[0]), 1) && mem.WriteUint32Le(uint32(s[1]), uint32(len(environment))))
}

// writeResult returns the errno of a function whose last step is to write its result to memory.
func writeResult(written bool) errno {
	if !written {
		return errnoFault
	}
	return errnoSuccess
}

// clock returns the time of a WASI clock in nanoseconds; ok is false if there is no such clock.
func (c *call) clock(id uint32) (now uint64, ok bool) {
	switch id {
	case wallClock:
		now = uint64(time.Now().UnixNano())
	case monotonicClock:
		now = uint64(time.Since(c.module.loaded)) + 1 // Go's runtime rejects 0 as a broken clock
	default:
		return 0, false
	}
	if c.view != nil {
		now = c.view.clock(id, now)
	}
	return now, true
}

// random fills a range of the guest's memory with random bytes.
func (c *call) random(b []byte) {
	if c.view != nil {
		c.view.fill(b)
		return
	}
	_, _ = rand.Read(b) // never fails
}

func clockTimeGet(_ context.Context, c *call, mem api.Memory, s []uint64) errno {
	now, ok := c.clock(uint32(s[0]))
	if !ok {
		return errnoInval
	}
	return writeResult(mem.WriteUint64Le(uint32(s[2]), now))
}

// fdFdstatGet reports the standard streams as terminals, so that the C library flushes each line. Otherwise it would flush
// only when its buffer is full or the program exits, and a connector never exits.
func fdFdstatGet(_ context.Context, _ *call, mem api.Memory, s []uint64) errno {
	const characterDevice, read, write, poll = 2, 1 << 1, 1 << 6, 1 << 27
	rights := uint64(poll | write)
	switch uint32(s[0]) {
	case 0:
		rights = poll | read
	case 1, 2:
	default:
		return errnoBadf
	}
	b, ok := mem.Read(uint32(s[1]), 24)
	if ok {
		clear(b)
		b[0] = characterDevice
		le.PutUint64(b[8:], rights)
	}
	return writeResult(ok)
}

func fdRead(_ context.Context, _ *call, mem api.Memory, s []uint64) errno {
	if uint32(s[0]) != 0 {
		return errnoBadf
	}
	return writeResult(mem.WriteUint32Le(uint32(s[3]), 0))
}

func fdWrite(ctx context.Context, c *call, mem api.Memory, s []uint64) errno {
	fd, count := uint32(s[0]), uint32(s[2])
	if fd != 1 && fd != 2 {
		return errnoBadf
	}
	if count > maxVectors {
		return errnoInval
	}
	vectors, ok := mem.Read(uint32(s[1]), 8*count)
	if !ok {
		return errnoFault
	}
	written := 0
	for vector := range slices.Chunk(vectors, 8) {
		b, ok := mem.Read(le.Uint32(vector), le.Uint32(vector[4:]))
		if !ok {
			return errnoFault
		}
		b = b[:min(len(b), maxWrite-written)]
		c.writeOutput(ctx, b)
		written += len(b)
	}
	return writeResult(mem.WriteUint32Le(uint32(s[3]), uint32(written)))
}

// randomGet fills a range of any length, because runtimes pass on the length that a program requests. It ends with the call.
func randomGet(ctx context.Context, c *call, mem api.Memory, s []uint64) errno {
	b, ok := mem.Read(uint32(s[0]), uint32(s[1]))
	for part := range slices.Chunk(b, maxRandom) {
		checkContext(ctx)
		c.random(part)
	}
	return writeResult(ok)
}

func schedYield(context.Context, *call, api.Memory, []uint64) errno {
	runtime.Gosched()
	return errnoSuccess
}

// Sizes of the structures of pollOneoff, in bytes.
const (
	subscriptionSize = 48
	eventSize        = 32
)

// pollOneoff waits until the first subscription is due, and writes an event for each due subscription. It ends with the call.
func pollOneoff(ctx context.Context, c *call, mem api.Memory, s []uint64) errno {
	count := uint32(s[2])
	if count == 0 || count > maxSubscriptions {
		return errnoInval
	}
	in, ok1 := mem.Read(uint32(s[0]), count*subscriptionSize)
	out, ok2 := mem.Read(uint32(s[1]), count*eventSize)
	if !ok1 || !ok2 {
		return errnoFault
	}
	var waits [maxSubscriptions]time.Duration
	var wrong [maxSubscriptions]errno
	first := time.Duration(math.MaxInt64)
	for i := range count {
		waits[i], wrong[i] = c.timeUntil(in[i*subscriptionSize:])
		first = min(first, waits[i])
	}
	if first > 0 && (c.view == nil || c.view.waits()) {
		sleep(ctx, first)
	}
	events := uint32(0)
	for i := range count {
		if waits[i] > first {
			continue
		}
		// The event may overlap its subscription: read the user data and the kind first.
		userdata, kind := [8]byte(in[i*subscriptionSize:]), in[i*subscriptionSize+8]
		event := out[events*eventSize:][:eventSize]
		clear(event)
		copy(event, userdata[:])
		le.PutUint16(event[8:], uint16(wrong[i]))
		event[10] = kind
		events++
	}
	return writeResult(mem.WriteUint32Le(uint32(s[3]), events))
}

// timeUntil returns the time until a subscription is due. A subscription to a stream is due at once: reading and writing never
// wait.
func (c *call) timeUntil(subscription []byte) (time.Duration, errno) {
	const clock, read, write, absolute = 0, 1, 2, 1
	switch kind, id := subscription[8], le.Uint32(subscription[16:]); {
	case kind == clock:
		now, ok := c.clock(id)
		wait, flags := le.Uint64(subscription[24:]), le.Uint16(subscription[40:])
		if !ok || flags > absolute {
			return 0, errnoInval
		}
		if flags == absolute {
			wait -= min(wait, now)
		}
		return time.Duration(min(wait, math.MaxInt64)), errnoSuccess
	case kind == read && id == 0, kind == write && (id == 1 || id == 2):
		return 0, errnoSuccess
	}
	return 0, errnoBadf
}

// sleep waits for d. It stops the guest if its call ends first.
func sleep(ctx context.Context, d time.Duration) {
	if err := wait(ctx, d); err != nil {
		panic(err)
	}
}

// wait waits for d. The error is that of the context, if it ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
