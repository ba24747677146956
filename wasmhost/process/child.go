package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// child is a started program, and the pipes to it.
type child struct {
	cmd     *exec.Cmd
	in, out *os.File // what it reads, and what it writes
	// template is where the child keeps the template of its module: here the server sees how large that is. It is nil in a child that
	// compiles, and where TemplateFile is not supported.
	template *os.File
	dead     chan struct{} // closed when it has ended

	mu     sync.Mutex
	reason error  // guarded by mu; the first reason for its end
	words  string // guarded by mu; what it has printed
}

// maxWords is how much of what a process prints is kept, in bytes. A process that prints more is ended by the closed pipe.
const maxWords = 64 << 10

// startChild starts this program as a guest process.
//
// It passes the template file on, if there is one.
func startChild(template *os.File) (*child, error) {
	theirIn, in, err1 := os.Pipe()
	out, theirOut, err2 := os.Pipe()
	words, theirWords, err3 := os.Pipe()
	if err := errors.Join(err1, err2, err3); err != nil {
		closeAll(theirIn, in, out, theirOut, words, theirWords, template)
		return nil, err
	}
	theirs := []*os.File{theirIn, theirOut}
	if template != nil {
		theirs = append(theirs, template)
	}
	c := &child{in: in, out: out, template: template, dead: make(chan struct{}), cmd: &exec.Cmd{
		Path: program(), Args: []string{"crmgate", argument}, Env: []string{}, Dir: "/", // a nil Env would be this process's
		Stderr: theirWords, ExtraFiles: theirs, SysProcAttr: attributes(),
	}}
	started := make(chan error)
	go c.run(started, words)
	err := <-started
	closeAll(theirIn, theirOut, theirWords) // an end that stays open here would hide the child's end
	if err != nil {
		closeAll(in, out, words, template)
		return nil, err
	}
	return c, nil
}

// run starts the child, and waits for its end. It keeps its thread: the system kills the child when the thread that started it
// ends.
func (c *child) run(started chan<- error, words *os.File) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	said, _ := io.ReadAll(io.LimitReader(words, maxWords))
	closeAll(words)
	err = c.cmd.Wait()
	c.end(exit(err))
	c.mu.Lock()
	c.words = string(said)
	c.mu.Unlock()
	close(c.dead)
	closeAll(c.in, c.template) // what it sent last may not be read yet: see close
}

// close kills the child, waits for its end, and drops what it has sent.
func (c *child) close(why error) {
	c.end(why)
	<-c.dead
	closeAll(c.out)
}

// exit returns why a process has ended by itself.
func exit(err error) error {
	if err == nil {
		return errors.New("it exited")
	}
	return err
}

// end kills the child, unless it has ended. The first reason stays.
func (c *child) end(why error) {
	c.mu.Lock()
	if c.reason == nil {
		c.reason = why
	}
	c.mu.Unlock()
	_ = c.cmd.Process.Kill()
}

// over reports whether the child has ended, or is about to.
func (c *child) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason != nil
}

// why returns why the child has ended. words adds the first line of what it printed. It has ended.
func (c *child) why(words bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := c.reason
	if gone := errors.Is(why, io.EOF) || errors.Is(why, syscall.EPIPE) || errors.Is(why, os.ErrClosed); gone && c.cmd.ProcessState != nil {
		why = fmt.Errorf("%s", c.cmd.ProcessState)
	}
	line, _, _ := strings.Cut(c.words[:min(len(c.words), 1000)], "\n")
	if said := strings.ToValidUTF8(line, "\uFFFD"); said != "" && words {
		return fmt.Errorf("%w: it printed %q", why, said)
	}
	return why
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// program is the path of this program.
func program() string {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe" // not the path of the file, which an upgrade may have replaced
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}
