package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
)

// The exit codes of exec besides those of its command and of the commands that ask a server.
const (
	exitLost       = 6   // the lock was lost, and the command stopped
	exitTimeout    = 124 // the command took too long, as timeout(1) has it
	exitNotRunning = 126 // the command cannot be run, as a shell has it
	exitNotFound   = 127
)

// burial is how long exec waits, after SIGKILL, until nothing is to be found of what the command has left behind. Only the parent
// of a dead process can bury it, and where that is process 1 of a container, it may never do so.
const burial = time.Second

type execCmd struct {
	remote
	NoWait    bool     `short:"n" help:"Do not wait: if somebody else holds, end with the code of -E."`
	Wait      seconds  `short:"w" help:"Wait at most so long for the lock, in seconds or as 30s or 2m; then end with the code of -E." placeholder:"SECONDS"`
	Conflict  int      `short:"E" name:"conflict-exit-code" help:"Exit code if the lock was not to be had; ${default} if nothing is said." default:"1" placeholder:"CODE"`
	Timeout   seconds  `help:"Stop the command when it has run so long." placeholder:"SECONDS"`
	KillAfter seconds  `help:"How long the command may take to end after SIGTERM, before SIGKILL; ${default} if nothing is said. With up to 5s it has ended, after a cut of the network, before the next one can be let in." default:"3s" placeholder:"SECONDS"`
	Quiet     bool     `short:"q" help:"Say nothing of waiting. Errors are said."`
	Resource  string   `arg:"" help:"What to lock, such as article/42."`
	Command   []string `arg:"" passthrough:"partial" help:"The command and its arguments, after --."`
}

func (execCmd) Help() string {
	return `Runs a command while holding a lock, as flock does with a file: editlock exec article/42 -- ./import.sh

The command has standard input and output untouched, and in its environment:
EDITLOCK_RESOURCE and EDITLOCK_FENCE, the number of the grant, to be compared by whatever takes its writes;
EDITLOCK_LOCK_TOKEN, the lock token, to be sent with a save in the header Lock-Token; it is good for seconds;
EDITLOCK_LOCK_TOKEN_FILE, a file that only this user can read, with the newest lock token: it is replaced, in one step, whenever there is a fresh one. A command that takes longer reads it for each save.

When the access token has expired and there is no fresh one, the lock is lost within the TTL of the session (30s if the server says nothing else). EDITLOCK_TOKEN stays what it is: for a long command, put the token into a file, name that by --token-file, and replace it before it expires.

If the lock is lost, or can no longer be trusted, the command is stopped: SIGTERM to its process group, and SIGKILL after --kill-after. Signals are passed on to it. On a terminal the command stays in the group of this one, so that the keyboard works; then SIGTERM and SIGKILL go to the command alone. If this program itself is killed, the command gets SIGTERM (Linux), and the lock is free when the session's time is over. If it is stopped (SIGSTOP) it can do nothing; it looks at the clock first when it goes on.

Exit code: that of the command, 128 + n if signal n ended it; 124 if it was stopped by --timeout, 126 or 127 if it could not be run or found; the code of -E if the lock was not to be had; 6 if the lock was lost. Before the command runs: 2 wrong use, 4 the access token was refused or its rights are not enough, 5 no server has answered within 10 s, or it cannot do it now. Once a server has answered, the waiting goes on through restarts and cuts, for as long as -w says, or without end.`
}

// seconds is a duration that may be written as a number of seconds, as flock has it.
type seconds struct {
	d   time.Duration
	set bool
}

// Decode implements kong.MapperValue.
func (s *seconds) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("seconds", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if n, number := strconv.ParseFloat(text, 64); number == nil && n < 1e9 {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is no length of time: write a number of seconds, or one like 30s or 2m", text)
	}
	*s = seconds{d, true}
	return nil
}

func (c *execCmd) Run(ctx context.Context) error {
	switch {
	case c.Conflict < 0 || c.Conflict > 255:
		return &exit{exitUsage, errors.New("--conflict-exit-code must be 0 to 255")}
	case len(c.Command) > 0 && c.Command[0] == "--":
		c.Command = c.Command[1:]
	}
	if len(c.Command) == 0 {
		return &exit{exitUsage, errors.New("the command is missing: write it after --, as in editlock exec article/42 -- ./import.sh")}
	}
	path, err := exec.LookPath(c.Command[0])
	if err != nil { // before anybody is kept waiting for it
		code := exitNotRunning
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			code = exitNotFound
		}
		return &exit{code, fmt.Errorf("cannot run the command: %w", err)}
	}
	// From here on every signal is ours: until the command runs it ends the waiting, then it is passed on.
	shared := sharesTerminal()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, passedOn(shared)...)
	defer signal.Stop(signals)
	ctx, interrupted := c.interruptible(ctx, signals)
	s, err := c.open(ctx)
	if err == nil {
		defer func() {
			if err := s.Close(); err != nil {
				c.say("%s", words(err))
			}
		}()
		var lock *client.Lock
		if lock, err = c.acquire(ctx, s); err == nil {
			if sig := interrupted(); sig != 0 {
				return &exit{128 + sig, nil}
			}
			return c.run(path, lock, signals, shared)
		}
	}
	if sig := interrupted(); sig != 0 {
		return &exit{128 + sig, nil}
	}
	return worded(err)
}

// interruptible returns a context that a signal ends, and what ends the listening and tells which signal came, 0 for none.
func (c *execCmd) interruptible(ctx context.Context, signals <-chan os.Signal) (context.Context, func() int) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop, number := make(chan struct{}), make(chan int, 1)
	go func() {
		defer close(number)
		for {
			select {
			case sig := <-signals:
				if n, ends := ending(sig); ends {
					cancel()
					number <- n
					return
				}
			case <-stop:
				return
			}
		}
	}()
	return ctx, func() int {
		close(stop)
		n := <-number
		cancel()
		return n
	}
}

// acquire gets the lock, and says whom it waits for.
func (c *execCmd) acquire(ctx context.Context, s *client.Session) (*client.Lock, error) {
	lock, err := s.Try(ctx, c.Resource)
	var locked *editlock.LockedError
	if errors.As(err, &locked) {
		state := inWords(locked.Snapshot, time.Now())
		if c.NoWait || c.Wait.set && c.Wait.d == 0 {
			return nil, &exit{c.Conflict, fmt.Errorf("%s %s", harmless(locked.Snapshot.Resource), state)}
		}
		if !c.Quiet {
			c.say("%s %s; waiting", harmless(locked.Snapshot.Resource), state)
		}
		waiting, cancel := ctx, context.CancelFunc(func() {})
		if c.Wait.set {
			waiting, cancel = context.WithTimeout(ctx, c.Wait.d)
		}
		defer cancel()
		lock, err = s.Acquire(waiting, c.Resource)
		if err != nil && ctx.Err() == nil && waiting.Err() != nil {
			return nil, &exit{c.Conflict, fmt.Errorf("%s was not to be had in %v", harmless(locked.Snapshot.Resource), c.Wait.d)}
		}
	}
	if err != nil {
		return nil, err
	}
	return lock.(*client.Lock), nil
}

// run runs the command, until it has ended.
func (c *execCmd) run(path string, lock *client.Lock, signals <-chan os.Signal, shared bool) error {
	dir, err := os.MkdirTemp("", "editlock-exec-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	tokens := tokenFile(filepath.Join(dir, "lock-token"))
	renewed, token := lock.Renewed(), lock.Token()
	if err := tokens.write(token); err != nil {
		return err
	}
	cmd := exec.Command(path, c.Command[1:]...)
	cmd.Args[0] = c.Command[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "EDITLOCK_RESOURCE="+lock.Resource(), fmt.Sprintf("EDITLOCK_FENCE=%d", lock.Fence()), "EDITLOCK_LOCK_TOKEN="+token, "EDITLOCK_LOCK_TOKEN_FILE="+string(tokens))
	separate(cmd, shared)
	runtime.LockOSThread() // the kernel tells the command when the thread that started it has ended
	defer runtime.UnlockOSThread()
	if err := lock.Context().Err(); err != nil {
		return &exit{exitLost, context.Cause(lock.Context())}
	}
	if err := cmd.Start(); err != nil {
		return &exit{exitNotRunning, fmt.Errorf("cannot run the command: %w", err)}
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var timeout, kill <-chan time.Time
	if c.Timeout.d > 0 {
		timeout = time.After(c.Timeout.d)
	}
	lost := lock.Context().Done()
	var why error // that the command is being stopped
	stop := func(code int, err error) {
		timeout, lost, why = nil, nil, &exit{code, err}
		c.say("%s; stopping the command", words(err))
		terminate(cmd, shared)
		kill = time.After(c.KillAfter.d)
	}
	var look <-chan time.Time // whether what the command has left behind is gone
	var killed time.Time
	left := func() bool { // what has been killed does nothing any more, though perhaps nobody buries it
		return (killed.IsZero() || time.Since(killed) < burial) && lives(cmd, shared)
	}
	for {
		select {
		case <-ended:
			if why == nil || !left() {
				return c.finish(lock, cmd.ProcessState, why)
			}
			t := time.NewTicker(20 * time.Millisecond)
			defer t.Stop()
			look = t.C
		case <-look:
			if !left() {
				return c.finish(lock, cmd.ProcessState, why)
			}
		case <-lost:
			stop(exitLost, context.Cause(lock.Context()))
		case <-timeout:
			stop(exitTimeout, fmt.Errorf("the command has run for %v", c.Timeout.d))
		case <-kill:
			finish(cmd, shared)
			killed = time.Now()
		case sig := <-signals:
			pass(cmd, sig, shared)
		case <-renewed:
			renewed = lock.Renewed()
			if err := tokens.write(lock.Token()); err != nil {
				c.say("the lock token cannot be renewed for the command: %s", err)
			}
		}
	}
}

// finish gives the lock back, and returns how the command ended.
func (c *execCmd) finish(lock *client.Lock, state *os.ProcessState, why error) error {
	if why == nil {
		if err := lock.Context().Err(); err != nil { // it ended by itself, in the very moment
			why = &exit{exitLost, context.Cause(lock.Context())}
		}
	}
	if why == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = lock.Release(ctx) // if this fails, closing the session tries again, and says so
	}
	var stopped *exit
	if errors.As(why, &stopped) {
		return &exit{stopped.code, nil}
	}
	if code := exitCode(state); code != 0 {
		return &exit{code, nil}
	}
	return nil
}

func (c *execCmd) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "editlock: "+format+"\n", args...)
}

// tokenFile is where the command finds its lock token.
type tokenFile string

// write replaces what is in the file, in one step.
func (f tokenFile) write(token string) error {
	next := string(f) + ".next"
	if err := os.WriteFile(next, []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(next, string(f))
}
