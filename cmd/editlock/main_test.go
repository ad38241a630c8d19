package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must come, on however loaded a machine.
const patience = 60 * time.Second

// program is the real binary, built once.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "editlock-test-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		program = filepath.Join(dir, "editlock")
		if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// Keys of the tests, as `editlock key` makes them.
const (
	testKey     = "EDITLOCK_KEY=NLBzPSjXVcXwc1YDYJPeJ6pXWm2q0w8iT5E7vRr1uGkHcZ0fQyLb9mDaSx3oKtVn"
	testSigning = "EDITLOCK_SIGNING_KEY=qT7mVw2kXzB4nJ8sRfY1cH6gLpD0aEu9QiZ3xWvKtMoN5bGyUjSrCdPhFeAlOi0x"
)

// command is the binary with nothing in its environment but what is given.
func command(ctx context.Context, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	return cmd
}

// run runs the binary to its end.
func run(t *testing.T, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := command(ctx, env, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("editlock %q: %v, %v\n%s", args, err, ctx.Err(), &errs)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// service is a running `editlock serve`.
type service struct {
	cmd  *exec.Cmd
	addr string
	done chan struct{} // closed when it has ended

	mu  sync.Mutex
	log bytes.Buffer
}

// serve starts the binary on a free port, and waits until it listens.
func serve(t *testing.T, args ...string) *service {
	t.Helper()
	store := "sqlite:" + filepath.Join(t.TempDir(), "locks.db")
	return started(t, command(context.Background(), []string{testKey, testSigning}, append([]string{"serve", "--listen=127.0.0.1:0", "--store=" + store}, args...)...))
}

func started(t *testing.T, cmd *exec.Cmd) *service {
	t.Helper()
	s := &service{cmd: cmd, done: make(chan struct{})}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan string, 1)
	go func() {
		defer close(s.done)
		s.follow(stderr, listening)
		_ = s.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.done
		if t.Failed() {
			t.Logf("the server said:\n%s", s.said())
		}
	})
	select {
	case s.addr = <-listening:
	case <-s.done:
		t.Fatalf("the server ended:\n%s", s.said())
	case <-time.After(patience):
		t.Fatalf("the server does not listen:\n%s", s.said())
	}
	return s
}

// follow reads the log, and tells the address when the server listens.
func (s *service) follow(stderr io.Reader, listening chan<- string) {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.mu.Lock()
		s.log.Write(append(lines.Bytes(), '\n'))
		s.mu.Unlock()
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &entry) == nil && entry.Msg == "listening" {
			listening <- entry.Addr
		}
	}
}

func (s *service) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// wait waits for the end and returns how it ended.
func (s *service) wait(t *testing.T) *os.ProcessState {
	t.Helper()
	select {
	case <-s.done:
		return s.cmd.ProcessState
	case <-time.After(patience):
		t.Fatalf("the server does not end:\n%s", s.said())
		return nil
	}
}

// status asks a path of the server.
func (s *service) status(t *testing.T, path string) int {
	t.Helper()
	r, err := http.Get("http://" + s.addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	return r.StatusCode
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Bad input is refused before anything is served, in words that say what to do, and never with the key in them.
// Faults: D16
func TestRefusesToStart(t *testing.T) {
	const short = "hunter2hunter2"
	const sample = "please-change-me-please-change-me-please"
	elsewhere := serve(t)
	busyStore := strings.TrimPrefix(elsewhere.cmd.Args[3], "--store=")
	base := strings.TrimPrefix(testKey, "EDITLOCK_KEY=")
	nowhere := filepath.Join(t.TempDir(), "mistyped", "deep")
	// What was said is well formed, and yet it does not work.
	tried := []string{"published keys of nobody", "store path is below a file", "store in no directory", "store is a directory",
		"store of another program", "store in use", "address in use"}
	foreign := file(t, "notes.txt", strings.Repeat("these are notes, no database\n", 100))
	for _, c := range []struct {
		name string
		env  []string
		args []string
		says []string
	}{
		{"no key", nil, nil, []string{"access key is missing", "openssl rand -base64 48", "editlock key", "--key-file", "EDITLOCK_KEY"}},
		{"no signing key", []string{testKey}, nil, []string{"signing key is missing", "openssl rand -base64 48", "--signing-key-file"}},
		{"sample key", []string{"EDITLOCK_KEY=" + sample, testSigning}, nil, []string{"EDITLOCK_KEY is no good", "openssl rand -base64 48"}},
		{"short key", []string{"EDITLOCK_KEY=" + short, testSigning}, nil, []string{"EDITLOCK_KEY is no good", "too short", "openssl rand -base64 48"}},
		{"short signing key", []string{testKey, "EDITLOCK_SIGNING_KEY=" + short}, nil, []string{"EDITLOCK_SIGNING_KEY is no good", "too short"}},
		{"key file missing", []string{testSigning}, []string{"--key-file=/no/such/file"}, []string{"access key", "/no/such/file"}},
		{"key file empty", []string{testSigning}, []string{"--key-file=" + file(t, "empty", "\n")}, []string{"is empty", "openssl rand -base64 48"}},
		{"key cut off", []string{testSigning}, []string{"--key-file=" + file(t, "cut", "-----BEGIN PRIVATE KEY-----\nMIIB")}, []string{"is no good"}},
		{"same key twice", []string{testKey, "EDITLOCK_SIGNING_KEY=" + strings.TrimPrefix(testKey, "EDITLOCK_KEY=")}, nil, []string{"same"}},
		{"two keys of one name", []string{testSigning}, []string{"--key-file=" + file(t, "k", base), "--key-file=" + file(t, "k", base)}, []string{"--key-file", `name "k"`}},
		{"published keys by http", []string{testSigning}, []string{"--jwks-url=http://app.example.com/jwks.json"}, []string{"--jwks-url", "https://"}},
		{"published keys of nobody", []string{testSigning}, []string{"--jwks-url=http://127.0.0.1:1/jwks.json"}, []string{"--jwks-url", "127.0.0.1:1", "refused"}},
		{"key in argv", []string{testSigning}, []string{"--key=" + sample}, []string{"unknown flag --key"}},
		{"store path is below a file", []string{testKey, testSigning}, []string{"--store=sqlite:" + foreign + "/locks.db"}, []string{"--store"}},
		{"store in no directory", []string{testKey, testSigning}, []string{"--store=sqlite:" + nowhere + "/locks.db"}, []string{"--store", "no directory " + nowhere}},
		{"store is a directory", []string{testKey, testSigning}, []string{"--store=sqlite:" + t.TempDir()}, []string{"--store"}},
		{"store of another program", []string{testKey, testSigning}, []string{"--store=sqlite:" + foreign}, []string{"--store", "not a data file of editlock"}},
		{"store in use", []string{testKey, testSigning}, []string{"--store=" + busyStore}, []string{"--store", "in use", fmt.Sprintf("process %d", elsewhere.cmd.Process.Pid), "stop that one first"}},
		{"unknown engine", []string{testKey, testSigning}, []string{"--store=oracle:scott/tiger"}, []string{"--store", "sqlite:PATH"}},
		{"no engine", []string{testKey, testSigning}, []string{"--store=locks.db"}, []string{"--store", "sqlite:PATH"}},
		{"TTL", []string{testKey, testSigning}, []string{"--ttl=1s"}, []string{"--ttl is 1s", "10s to 300s"}},
		{"TTL without a unit", []string{testKey, testSigning}, []string{"--ttl=30"}, []string{"--ttl", "write 30s", "Run editlock serve --help"}},
		{"TTL in the file without a unit", []string{testKey, testSigning}, []string{"--config=" + file(t, "c.yaml", "ttl: 30\n")}, []string{"write 30s"}},
		{"no duration", []string{testKey, testSigning}, []string{"--ttl=soon"}, []string{"--ttl", "like 30s"}},
		{"a port alone", []string{testKey, testSigning}, []string{"--listen=8420"}, []string{"--listen", "127.0.0.1:8420", ":8420"}},
		{"unknown flag", []string{testKey, testSigning}, []string{"--ttll=30s"}, []string{"--ttll", "Run editlock serve --help"}},
		{"drain", []string{testKey, testSigning}, []string{"--drain=-1s"}, []string{"--drain"}},
		{"base path with a wildcard", []string{testKey, testSigning}, []string{"--base-path=/{tenant}"}, []string{"--base-path", "/editlock"}},
		{"base path with a space", []string{testKey, testSigning}, []string{"--base-path=/edit lock"}, []string{"--base-path", "/editlock"}},
		{"origin", []string{testKey, testSigning}, []string{"--origin=app.example.org/path"}, []string{"--origin", "https://app.example.com"}},
		{"origin in the environment", []string{testKey, testSigning, "EDITLOCK_ORIGIN=*"}, nil, []string{"--origin"}},
		{"no issuer", []string{testKey, testSigning}, []string{"--issuer="}, []string{"--issuer"}},
		{"no such port", []string{testKey, testSigning}, []string{"--listen=127.0.0.1:84200"}, []string{"--listen", "no port 84200"}},
		{"admin port", []string{testKey, testSigning}, []string{"--admin-listen=8421"}, []string{"--admin-listen", "127.0.0.1:8421"}},
		{"no such traces", []string{testKey, testSigning, "OTEL_TRACES_EXPORTER=zipkin"}, nil, []string{"OTEL_TRACES_EXPORTER"}},
		{"address in use", []string{testKey, testSigning}, []string{"--listen=" + elsewhere.addr}, []string{"listen"}},
		{"unknown setting", []string{testKey, testSigning}, []string{"--config=" + file(t, "c.yaml", "lissten: 127.0.0.1:1\n")}, []string{`"lissten"`, "listen"}},
		{"not YAML", []string{testKey, testSigning}, []string{"--config=" + file(t, "c.yaml", "- a\n- b\n")}, []string{"is not YAML"}},
		{"configuration missing", []string{testKey, testSigning}, []string{"--config=/no/such/file"}, []string{"configuration file"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append([]string{"serve", "--listen=127.0.0.1:0"}, c.args...)
			if !strings.Contains(strings.Join(args, " "), "--store") {
				args = append(args, "--store=sqlite:"+filepath.Join(t.TempDir(), "locks.db"))
			}
			status, stdout, stderr := run(t, c.env, args...)
			want := exitUsage
			if slices.Contains(tried, c.name) {
				want = exitFailed
			}
			if status != want {
				t.Errorf("status %d, want %d", status, want)
			}
			if path, ours := strings.CutPrefix(args[len(args)-1], "--store=sqlite:"); ours && filepath.Base(path) == "locks.db" && want == exitUsage {
				if made, err := os.ReadDir(filepath.Dir(path)); err != nil || len(made) > 0 {
					t.Errorf("it has made %v, %v", made, err)
				}
			}
			for _, s := range c.says {
				if !strings.Contains(stderr, s) {
					t.Errorf("does not say %q:\n%s", s, stderr)
				}
			}
			if strings.Contains(stdout+stderr, short) || c.name != "key in argv" && strings.Contains(stdout+stderr, sample) {
				t.Errorf("shows the key:\n%s%s", stdout, stderr)
			}
			if strings.Count(stderr, "openssl") > 1 || strings.Contains(stderr, "wire:") || strings.Count(stderr, "editlock: ") > 1 {
				t.Errorf("says something twice, or names a package:\n%s", stderr)
			}
			if strings.Contains(stderr, "goroutine ") {
				t.Errorf("panics:\n%s", stderr)
			}
		})
	}
	for _, path := range []string{filepath.Dir(nowhere), foreign + ".lock"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made", path)
		}
	}
}
