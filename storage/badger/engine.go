package badger

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
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
	// MinFree is how many bytes must be free on the disk for a write; default 64 MB. The reserve does not count as free.
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
	config  Config
	dir     string // empty in memory
	minFree uint64

	// swapping is held while db is replaced, and shared by all that use db; only the committer replaces it.
	swapping sync.RWMutex
	db       *badger.DB
	still    bool  // db was opened on a full disk, to be read; guarded by swapping
	lost     error // db could not be opened again; guarded by swapping

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
//
// On a disk that is almost full, Open opens a store that exists, and creates none. Update refuses to write until there is
// space.
func Open(c Config) (*Engine, error) {
	if c.MinFree == 0 {
		c.MinFree = defaultMinFree
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	e := &Engine{
		config: c, dir: c.Dir, minFree: c.MinFree,
		queue: make(chan *request), committed: make(chan struct{}),
		stopGC: make(chan struct{}), gcDone: make(chan struct{}),
	}
	if c.Dir != "" {
		if err := prepareDir(c.Dir, c.Logger); err != nil {
			return nil, err
		}
		if err := whileUnused(c.Dir, e.prepareFiles); err != nil {
			return nil, err
		}
	}
	if err := e.openBadger(); err != nil {
		return nil, err
	}
	e.keepReserve()
	go e.commitLoop()
	go e.collectGarbage()
	return e, nil
}

// prepareFiles sees to it that Badger can open the store: logs must not be empty, and the disk must have space. It decides
// whether the store is opened only to be read.
func (e *Engine) prepareFiles() error {
	if err := removeEmptyLogs(e.dir); err != nil {
		return fmt.Errorf("remove empty logs: %w", err)
	}
	full := checkSpace(e.dir, e.minFree)
	if full == nil {
		return nil
	}
	// Badger writes to mapped files when it opens. Without space, that ends the process.
	if _, err := os.Stat(filepath.Join(e.dir, badger.ManifestFilename)); err != nil {
		return full
	}
	need, err := workspace(e.dir)
	if err == nil {
		err = makeRoom(e.dir, need)
	}
	if err == nil {
		e.still = true
		e.config.Logger.Warn("the store accepts no writes until there is space", "err", full)
	}
	return err
}

func (e *Engine) openBadger() (err error) {
	o := badgerOptions(e.config)
	if e.still {
		// A compaction needs as much space as the tables that it merges. Without compactions, tables must not wait for them.
		o.NumCompactors = 0
		o.NumLevelZeroTablesStall = math.MaxInt
	}
	if e.db, err = badger.Open(o); err != nil {
		return explain(e.dir, err)
	}
	return nil
}

// keepReserve makes the reserve, if it does not exist. A store that accepts no writes leaves what is free to it, except for
// what Badger needs: after an open it still writes old logs as tables, in the background.
func (e *Engine) keepReserve() {
	if e.dir == "" {
		return
	}
	e.swapping.RLock()
	still := e.still
	e.swapping.RUnlock()
	keep, err := e.minFree, error(nil)
	if still {
		keep, err = workspace(e.dir)
	}
	if err == nil {
		err = makeReserve(e.dir, keep)
	}
	if err != nil {
		e.config.Logger.Warn("no space could be reserved for a full disk", "err", err)
	}
}

// Writable returns an error matching crmgate.ErrTransient while the disk is almost full.
func (e *Engine) Writable() error {
	if e.dir == "" {
		return nil
	}
	return checkSpace(e.dir, e.minFree)
}

// Free returns the free bytes of the store's disk; 0 for a store in memory.
func (e *Engine) Free() (uint64, error) {
	if e.dir == "" {
		return 0, nil
	}
	return freeSpace(e.dir)
}

// resume opens a store again that was opened on a full disk, as soon as there is space. The committer calls it.
func (e *Engine) resume() {
	if !e.still || e.Writable() != nil {
		return
	}
	e.swapping.Lock()
	defer e.swapping.Unlock()
	e.still = false
	err := e.db.Close()
	if err == nil {
		err = e.openBadger()
	}
	if err != nil {
		e.lost = fmt.Errorf("open the store again: %w", err)
		e.config.Logger.Error("the store could not be opened again; restart the server", "err", err)
		return
	}
	e.config.Logger.Info("the store accepts writes again")
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
	e.swapping.RLock()
	defer e.swapping.RUnlock()
	if e.lost != nil {
		return e.lost
	}
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
		e.closeErr = e.closeBadger()
	})
	return e.closeErr
}

// closeBadger closes Badger if there is space for that. Otherwise the store is left as a killed process leaves it, and this
// process keeps its lock. Nothing that was stored is lost: the next Open reads it from the logs.
func (e *Engine) closeBadger() error {
	if e.lost != nil {
		return nil
	}
	if e.dir != "" {
		need, err := workspace(e.dir)
		if err == nil {
			err = makeRoom(e.dir, need)
		}
		if err != nil {
			e.config.Logger.Warn("the store is left unclosed; the next start recovers it", "err", err)
			return nil
		}
	}
	if err := e.db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	e.keepReserve() // for the next Open
	return nil
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
		for !e.stopping() && e.collect() {
		}
		e.keepReserve()
	}
}

// collect rewrites what is in use of one value log file, which needs space. It returns false if there is nothing left to do.
func (e *Engine) collect() bool {
	e.swapping.RLock()
	defer e.swapping.RUnlock()
	return e.Writable() == nil && e.lost == nil && e.db.RunValueLogGC(0.5) == nil
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
