package edge

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/crmgate/crmgate/wasmhost"
)

// How folders are watched.
const (
	settleTime = time.Second            // the folder of connectors has to be unchanged for so long: a module and its manifest are two files
	settleLook = 250 * time.Millisecond // between two looks meanwhile
	pollTime   = time.Second            // between two looks where the system does not report changes
	seldomTime = 10 * time.Second       // between two looks otherwise: a link to elsewhere may have changed
)

// folderWatch watches the folder of connectors.
func (c *core) folderWatch() FolderWatch {
	return FolderWatch{
		Folders: func() []string { return []string{c.Connectors} }, Print: func() string { return printOf(c.Connectors) }, Settle: settleTime, Logger: c.Logger,
	}
}

// watchFolder reloads the connectors when their folder has changed, until ctx ends.
func (c *core) watchFolder(ctx context.Context, w FolderWatch) {
	w.Run(ctx, c.loadedPrint, func(string) {
		c.Logger.Info("the folder of connectors has changed", "folder", c.Connectors)
		_, _ = c.reload(ctx, nil) // it logs what it does
	})
}

// printOf describes the files of a folder that Load reads: their names, sizes, times, and where they are. Links are followed: with one, a
// deployment can put another file of the same size in place, and some build tools give all files the same time.
func printOf(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		name := e.Name()
		if !wasmhost.ReadsFile(name) {
			continue
		}
		path := filepath.Join(dir, name)
		real, _ := filepath.EvalSymlinks(path) // os.Stat has the error
		fmt.Fprintf(&b, "%q %q ", name, real)
		if info, err := os.Stat(path); err != nil {
			fmt.Fprintln(&b, err)
		} else {
			fmt.Fprintln(&b, info.Size(), info.ModTime().UnixNano(), info.Mode())
		}
	}
	return b.String()
}

// notePrint remembers what the folder is like, before it is loaded.
func (c *core) notePrint() {
	print := printOf(c.Connectors)
	c.loaded.Store(&print)
}

func (c *core) loadedPrint() string { return *c.loaded.Load() }

// FolderWatch watches folders for changes. All fields are required.
type FolderWatch struct {
	// Folders lists the folders. It is called before each wait, because there may be others.
	Folders func() []string
	// Print describes what matters of the folders' content. It is another text after a change.
	Print func() string
	// Settle is how long the print has to stay the same after a change: a build writes several files.
	Settle time.Duration
	Logger *slog.Logger

	polled bool // the system does not report changes
}

// Run calls changed with the print after each change, until ctx ends. It compares the print with the one that seen returns.
func (f FolderWatch) Run(ctx context.Context, seen func() string, changed func(print string)) {
	e := f.newEvents()
	defer e.close()
	for ok := true; ok; ok = e.wait(ctx) {
		for print := f.Print(); print != seen() && ctx.Err() == nil; print = f.Print() {
			if f.settled(ctx, print) {
				changed(print)
			}
		}
	}
}

// settled reports whether the print stays the same for the time of Settle.
func (f FolderWatch) settled(ctx context.Context, print string) bool {
	for left := f.Settle; left > 0; left -= settleLook {
		if !pause(ctx, min(left, settleLook)) || f.Print() != print {
			return false
		}
	}
	return true
}

// pause waits, and reports false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// folderEvents waits for changes of folders.
type folderEvents struct {
	FolderWatch
	watcher *fsnotify.Watcher // nil if the system cannot watch
	watched []string          // folders without links
}

func (f FolderWatch) newEvents() *folderEvents {
	e := &folderEvents{FolderWatch: f}
	if f.polled {
		return e
	}
	var err error
	if e.watcher, err = fsnotify.NewWatcher(); err != nil {
		f.Logger.Debug("folders are polled: the system cannot watch them", "err", err)
		e.watcher = nil
	}
	return e
}

func (e *folderEvents) close() {
	if e.watcher != nil {
		_ = e.watcher.Close() // nothing is left to do
	}
}

// follow watches the folders, and reports whether it watches all of them. A folder that is a link may lead elsewhere than before.
func (e *folderEvents) follow() (all bool) {
	var now []string
	all = true
	for _, folder := range e.Folders() {
		dir, err := filepath.EvalSymlinks(folder)
		if err == nil && !slices.Contains(e.watched, dir) {
			err = e.watcher.Add(dir)
		}
		if err != nil {
			e.Logger.Debug("a folder is polled: it cannot be watched", "folder", folder, "err", err)
			all = false
			continue
		}
		now = append(now, dir)
	}
	for _, dir := range e.watched {
		if !slices.Contains(now, dir) {
			_ = e.watcher.Remove(dir) // it may be gone
		}
	}
	e.watched = now
	return all
}

// wait waits until a folder may have changed. It returns false when ctx ends.
func (e *folderEvents) wait(ctx context.Context) bool {
	if e.watcher == nil {
		return pause(ctx, pollTime)
	}
	look := time.NewTimer(seldomTime)
	if !e.follow() {
		look.Reset(pollTime)
	}
	defer look.Stop()
	select {
	case <-ctx.Done():
		return false
	case event := <-e.watcher.Events: // of a folder that was removed or renamed: one of the same name is another one
		e.watched = slices.DeleteFunc(e.watched, func(dir string) bool { return dir == event.Name })
	case <-e.watcher.Errors: // events were lost
	case <-look.C:
	}
	return true
}
