package badger

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/crmgate/crmgate/storage"
)

// Config has the options of Open.
type Config struct {
	// Dir is the directory of the store; empty means in memory until Close. Open creates it with mode 0700. Open removes the
	// rights of group and others from it and from the store's files. New files have the rights that the umask leaves.
	Dir string
	// MinFree is how many bytes must be free on the disk for a write; default 64 MB.
	MinFree uint64
	// Logger gets Badger's log; default slog.Default().
	Logger *slog.Logger
}

const (
	defaultMinFree = 64 << 20
	gcInterval     = 5 * time.Minute
)

// Engine implements storage.Engine.
type Engine struct {
	db      *badger.DB
	dir     string // empty in memory
	minFree uint64

	queue     chan *request // to the committer; closed after the last caller has left
	committed chan struct{} // closed by the committer when it ends
	stopGC    chan struct{}
	gcDone    chan struct{}

	mu     sync.Mutex
	closed bool           // guarded by mu
	active sync.WaitGroup // calls of View and Update; grows under mu, and only while not closed

	closing  sync.Once
	closeErr error // set within closing
}

var _ storage.Engine = (*Engine)(nil)

// Open opens a store, or creates it. The error matches ErrInUse if another process has it open, fs.ErrPermission if the
// directory is not writable, and syscall.ENOTDIR if it is a file.
func Open(c Config) (*Engine, error) {
	if c.MinFree == 0 {
		c.MinFree = defaultMinFree
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Dir != "" {
		if err := prepareDir(c.Dir, c.Logger); err != nil {
			return nil, err
		}
		// Badger creates its files when it opens, which fails on a full disk too.
		if err := checkSpace(c.Dir, c.MinFree); err != nil {
			return nil, err
		}
	}
	db, err := badger.Open(badgerOptions(c))
	if err != nil {
		return nil, explain(c.Dir, err)
	}
	e := &Engine{
		db: db, dir: c.Dir, minFree: c.MinFree,
		queue: make(chan *request), committed: make(chan struct{}),
		stopGC: make(chan struct{}), gcDone: make(chan struct{}),
	}
	go e.commitLoop()
	go e.collectGarbage()
	return e, nil
}

// badgerOptions makes Badger small and durable: 45 to 80 MB of memory instead of up to 1.8 GB by default.
func badgerOptions(c Config) badger.Options {
	o := badger.DefaultOptions(c.Dir)
	o.Logger = logger{c.Logger}
	o.SyncWrites = true // without it a power cut lost a third of the acknowledged writes
	o.VerifyValueChecksum = true
	o.MetricsEnabled = false
	o.DetectConflicts = false // there is one writer: the committer
	o.MemTableSize = 16 << 20
	o.NumMemtables = 2
	o.NumCompactors = 2 // Badger's minimum
	o.ValueLogFileSize = 32 << 20
	o.ValueThreshold = 1 << 10
	// Sealed values do not compress, and uncompressed blocks are read from the mapped file: a cache would be a copy.
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.IndexCacheSize = 0
	if c.Dir == "" {
		o.InMemory = true
		o.ValueThreshold = 1 << 20 // in memory there is no value log, so this is the largest value
	}
	return o
}

// View implements storage.Engine.
func (e *Engine) View(ctx context.Context, fn func(storage.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.active.Done()
	txn := e.db.NewTransaction(false)
	defer txn.Discard()
	return fn(snapshot{txn})
}

// enter counts a call, so that Close waits for it: closing unmaps Badger's files.
func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return storage.ErrClosed
	}
	e.active.Add(1)
	return nil
}

// Close implements storage.Engine. It waits for the callers, then ends the committer, the garbage collection and Badger.
func (e *Engine) Close() error {
	e.closing.Do(func() {
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		e.active.Wait()
		close(e.queue)
		<-e.committed
		close(e.stopGC)
		<-e.gcDone
		if err := e.db.Close(); err != nil {
			e.closeErr = fmt.Errorf("close store: %w", err)
		}
	})
	return e.closeErr
}

// collectGarbage frees the space of value log files of which half is unused. Badger does not do so by itself.
func (e *Engine) collectGarbage() {
	defer close(e.gcDone)
	if e.dir == "" {
		return
	}
	tick := time.NewTicker(gcInterval)
	defer tick.Stop()
	for {
		select {
		case <-e.stopGC:
			return
		case <-tick.C:
		}
		// It rewrites what is in use, which needs space. It returns an error when there is nothing left to do.
		for checkSpace(e.dir, e.minFree) == nil && !e.stopping() && e.db.RunValueLogGC(0.5) == nil {
		}
	}
}

func (e *Engine) stopping() bool {
	select {
	case <-e.stopGC:
		return true
	default:
		return false
	}
}

// logger writes Badger's log. It may contain keys, which do not identify people, but no values.
type logger struct{ *slog.Logger }

func (l logger) Errorf(f string, a ...any)   { l.Error(message(f, a)) }
func (l logger) Warningf(f string, a ...any) { l.Warn(message(f, a)) }
func (l logger) Infof(f string, a ...any)    { l.Logger.Debug(message(f, a)) } // for Badger's authors
func (l logger) Debugf(string, ...any)       {}

func message(format string, args []any) string {
	return "badger: " + strings.TrimSpace(fmt.Sprintf(format, args...))
}
