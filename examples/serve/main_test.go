package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/editlock/editlock/internal/swarm"
	"github.com/editlock/editlock/wire"
)

// started builds the example, runs it on a free port, and returns its address as it prints it.
func started(t *testing.T) (base string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "serve")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program, "-addr", "127.0.0.1:0")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, ended := make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		for scan := bufio.NewScanner(said); scan.Scan(); {
			select {
			case lines <- scan.Text():
			case <-t.Context().Done():
			}
		}
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		<-ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("it did not end as it should: %v", err)
		}
	})
	printed := regexp.MustCompile(`open (http://localhost:\d+)/\?user=Ana and (http://localhost:\d+)/\?user=Ben$`)
	for {
		select {
		case line := <-lines:
			if m := printed.FindStringSubmatch(line); m != nil {
				return m[1]
			}
			t.Log(line)
		case <-ended:
			t.Fatal("it ended")
		case <-time.After(30 * time.Second):
			t.Fatal("it prints no address")
		}
	}
}

// ask gives status and body of an answer; a redirect is not followed.
func ask(t *testing.T, method, address string, form url.Values) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	a, err := client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(body)
}

// The example as its comment says it is used, by two people: the first edits, the second waits; who holds saves, and nobody else.
func TestTwoPeople(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	base := started(t)
	open := func(user string) *swarm.Page {
		t.Helper()
		status, text := ask(t, http.MethodGet, base+"/?user="+user, nil)
		if status != http.StatusOK || !strings.Contains(text, `auth-url="/lock-token?user=`+user+`"`) || !strings.Contains(text, `resource="article/42"`) {
			t.Fatalf("%d %s", status, text)
		}
		status, token := ask(t, http.MethodGet, base+"/lock-token?user="+user, nil)
		if status != http.StatusOK {
			t.Fatal(status, token)
		}
		p, err := swarm.Open(ctx, base+"/editlock", token)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Drop)
		if _, err := p.Acquire(ctx, resource, true); err != nil {
			t.Fatal(err)
		}
		return p
	}
	held := func(p *swarm.Page) int64 {
		t.Helper()
		fence, err := p.AwaitHeld(ctx, resource)
		if err != nil {
			t.Fatal(err)
		}
		return fence
	}
	save := func(user, text, token string) (int, string) {
		t.Helper()
		form := url.Values{"text": {text}}
		if token != "" {
			form.Set(wire.Field, token)
		}
		return ask(t, http.MethodPost, base+"/?user="+user, form)
	}
	refused := func(status int, body string, want int, code wire.Code, holder string) {
		t.Helper()
		var p struct {
			Code   wire.Code
			Holder *struct{ Name string }
		}
		err := json.Unmarshal([]byte(body), &p)
		if err != nil || status != want || p.Code != code || holder != "" && (p.Holder == nil || p.Holder.Name != holder) {
			t.Errorf("%d %s (%v), not %d %s", status, body, err, want, code)
		}
	}
	shows := func(text, version string) {
		t.Helper()
		if _, page := ask(t, http.MethodGet, base+"/?user=Ben", nil); !strings.Contains(page, text) || !strings.Contains(page, `version="`+version+`"`) {
			t.Errorf("no %q of version %s: %s", text, version, page)
		}
	}

	if status, script := ask(t, http.MethodGet, base+"/static/editlock.js", nil); status != http.StatusOK || !strings.Contains(script, "edit-lock") {
		t.Errorf("script: %d", status)
	}
	ana := open("Ana")
	fence := held(ana)
	ben := open("Ben")
	if s, err := ben.Await(ctx, resource, func(s wire.Snapshot) bool { return s.Mine != nil && s.Mine.State == "waiting" }); err != nil || s.Holder == nil || s.Holder.Name != "Ana" || s.Mine.Position != 1 {
		t.Fatalf("%+v %v", s, err)
	}

	status, body := save("Ben", "Ben was here", "")
	refused(status, body, http.StatusLocked, wire.Locked, "Ana")
	proof := ana.LockToken(resource)
	status, body = save("Ben", "Ben was here", proof) // copied
	refused(status, body, http.StatusLocked, wire.Locked, "Ana")
	shows("Once upon a time", "1")
	if status, body = save("Ana", "Ana was here", proof); status != http.StatusSeeOther {
		t.Fatal(status, body)
	}
	shows("Ana was here", "2")

	if _, err := ana.Release(ctx, resource, fence, "2"); err != nil {
		t.Fatal(err)
	}
	if next := held(ben); next <= fence {
		t.Errorf("fence %d after %d", next, fence)
	}
	if v := ben.Now(resource).Version; v != "2" {
		t.Errorf("Ben is told of version %q", v)
	}
	status, body = save("Ana", "Ana was late", proof)
	refused(status, body, http.StatusLocked, wire.Locked, "Ben")
	if status, body = save("Ben", "Ben was here", ben.LockToken(resource)); status != http.StatusSeeOther {
		t.Fatal(status, body)
	}
	shows("Ben was here", "3")
	if _, err := ben.Release(ctx, resource, ben.Fence(resource), "3"); err != nil {
		t.Fatal(err)
	}
	status, body = save("Ana", "Ana was late", proof) // nobody holds now, but she did once
	refused(status, body, http.StatusConflict, wire.StaleFence, "")
	shows("Ben was here", "3")
}
