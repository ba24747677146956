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

// Config is what Open needs.
type Config struct {
	// Dir is where the store is kept; it is made, 0700, if it does not exist. Open takes the rights of group and others from
	// it and from the store's files. New files have the rights that the umask leaves. Empty: in memory, and gone after Close.
	Dir string
	// MinFree is how many bytes the disk must have free for anything to be written; default 64 MB.
	MinFree uint64
	// Logger gets what Badger has to say; default slog.Default().
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

	queue     chan *request // to the committer; closed when nobody can send any more
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

// Open opens the store, or makes it. A directory that another process has open is ErrInUse; one that may not be
// written matches fs.ErrPermission; one that is a file matches syscall.ENOTDIR.
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
		// Badger makes its files at once, and on a full disk faults there already.
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

// badgerOptions is Badger made small and durable: 45 to 80 MB of memory in place of its default of up to 1.8 GB.
func badgerOptions(c Config) badger.Options {
	o := badger.DefaultOptions(c.Dir)
	o.Logger = logger{c.Logger}
	o.SyncWrites = true // without it a power cut loses a third of what was acknowledged
	o.VerifyValueChecksum = true
	o.MetricsEnabled = false
	o.DetectConflicts = false // there is one writer: the committer
	o.MemTableSize = 16 << 20
	o.NumMemtables = 2
	o.NumCompactors = 2 // the least that Badger takes
	o.ValueLogFileSize = 32 << 20
	o.ValueThreshold = 1 << 10
	// Sealed values do not compress, and uncompressed blocks are read from the mapped file: a cache would be a copy.
	o.Compression = options.None
	o.BlockCacheSize = 0
	o.IndexCacheSize = 0
	if c.Dir == "" {
		o.InMemory = true
		o.ValueThreshold = 1 << 20 // in memory there is no value log: no value may be larger than this
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

// enter counts a call in, so that Close waits for it: Badger's files are unmapped when it closes.
func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return storage.ErrClosed
	}
	e.active.Add(1)
	return nil
}

// Close implements storage.Engine: callers first, then the committer, the garbage collection, and the database.
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

// collectGarbage gives back the space of value log files that are half dead. Badger never does so by itself.
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
		// It rewrites what is alive, so it needs space to make space. It answers an error when there is nothing left to do.
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

// logger takes Badger's log. Keys may occur in it, values do not; storage.DB's keys name nobody.
type logger struct{ *slog.Logger }

func (l logger) Errorf(f string, a ...any)   { l.Error(message(f, a)) }
func (l logger) Warningf(f string, a ...any) { l.Warn(message(f, a)) }
func (l logger) Infof(f string, a ...any)    { l.Logger.Debug(message(f, a)) } // of interest to Badger's authors only
func (l logger) Debugf(string, ...any)       {}

func message(format string, args []any) string {
	return "badger: " + strings.TrimSpace(fmt.Sprintf(format, args...))
}
