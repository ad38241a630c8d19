package main

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The demo says where to look, answers there, and leaves nothing behind when it is told to stop.
func TestDemo(t *testing.T) {
	cmd := command(context.Background(), []string{"TMPDIR=" + t.TempDir()}, "demo", "--listen=127.0.0.1:0")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if url := regexp.MustCompile(`http://\S+`).FindString(lines.Text()); url != "" {
				address <- url
			}
		}
		ended <- cmd.Wait()
	}()
	defer func() { _ = cmd.Process.Kill() }()
	select {
	case url := <-address:
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", url, r.Status)
		}
	case err := <-ended:
		t.Fatalf("the demo ended: %v", err)
	case <-time.After(patience):
		t.Fatal("the demo does not say where it is")
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the demo ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the demo does not stop")
	}
	if rest, err := os.ReadDir(cmd.Env[len(cmd.Env)-1][len("TMPDIR="):]); err != nil || len(rest) > 0 {
		t.Errorf("the demo left behind %v, %v", rest, err)
	}
}

// What cannot be is refused at once, in the words of the flags.
func TestDemoRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, c := range []struct {
		arg    string
		status int
		says   []string
	}{
		{"--ttl=5s", exitUsage, []string{"--ttl is 5s: it must be 10s to 300s"}},
		{"--ttl=400s", exitUsage, []string{"--ttl is 6m40s: it must be 10s to 300s"}},
		{"--listen=8090", exitUsage, []string{`--listen is "8090"`, "127.0.0.1:8090, or :8090"}},
		{"--listen=:99999", exitUsage, []string{`--listen is ":99999"`, "no port 99999", "write :8080"}},
		{"--listen=here", exitUsage, []string{`--listen is "here"`, "127.0.0.1:8080, or :8080"}},
		{"--listen=" + taken.Addr().String(), 1, []string{"--listen " + taken.Addr().String(), "already in use", "choose another address"}},
	} {
		status, stdout, stderr := run(t, nil, "demo", c.arg)
		if status != c.status || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %q", c.arg, status, stdout, stderr)
		}
		for _, says := range c.says {
			if !strings.Contains(stderr, says) {
				t.Errorf("%s does not say %q: %s", c.arg, says, stderr)
			}
		}
	}
}

func TestDemoChildIsForTheDemo(t *testing.T) {
	if status, _, stderr := run(t, nil, "demo-child", "editlock", "x", "10s"); status != 1 || stderr == "" {
		t.Errorf("status %d: %s", status, stderr)
	}
}
