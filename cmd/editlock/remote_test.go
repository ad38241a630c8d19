package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/editlock/editlock/wire"
)

// ask asks the server as a program.
func (s *service) ask(t *testing.T, token, path string, in, out any) int {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr+"/editlock/v1/"+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%s: %s: %v", resp.Status, text, err)
	}
	return resp.StatusCode
}

func (s *service) remote(token string) []string {
	return []string{"EDITLOCK_SERVER=http://" + s.addr + "/editlock", "EDITLOCK_TOKEN=" + token, "TZ=UTC"}
}

// The commands of an administrator show who holds what and why it ended, and end a hold.
func TestAdministratorsCommands(t *testing.T) {
	s := serve(t, unhurried)
	ana := mint(t, "--sub=7", "--name=Ana", "--right=edit:**")
	boss := mint(t, "--sub=9", "--name=The boss\x1b[2J", "--right=watch:**", "--right=administer:**")
	env := s.remote(boss)
	ok := func(args ...string) string {
		t.Helper()
		status, stdout, stderr := run(t, env, args...)
		if status != 0 || stderr != "" {
			t.Fatalf("%q: %d\n%s%s", args, status, stdout, stderr)
		}
		return stdout
	}
	if got := ok("ls"); got != "Nothing is held or waited for.\n" {
		t.Errorf("%q", got)
	}
	var g [2]wire.Granted
	for i, name := range []string{"article/42", "invoice/ä b"} {
		if status := s.ask(t, ana, "acquire", wire.AcquireCall{Resource: name}, &g[i]); status != 200 {
			t.Fatal(status)
		}
	}
	table := ok("ls")
	if !regexp.MustCompile(`(?s)^RESOURCE +HOLDER +SINCE +WAITING\narticle/42 +Ana \(7\) +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d, .*(ago|just now) +0\ninvoice/ä b +Ana \(7\) .*\n$`).MatchString(table) {
		t.Errorf("ls:\n%s", table)
	}
	for _, prefix := range []string{"invoice", "invoice/", "invoice/ä b"} {
		if got := ok("ls", prefix, "--json"); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"resource":"invoice/ä b"`) {
			t.Errorf("ls %s: %s", prefix, got)
		}
	}
	if got := ok("release", "article/42", "--reason", "she is on holiday"); got != "article/42: Ana (7) does not hold it any more.\n" {
		t.Errorf("%q", got)
	}
	if got := ok("release", "article/42", "--reason", "again"); got != "article/42: nobody holds it.\n" {
		t.Errorf("%q", got)
	}
	if got := ok("release", "article/42", "--reason", "again", fmt.Sprintf("--fence=%d", g[0].Fence), "--json"); !strings.Contains(got, `"reason":"forced"`) {
		t.Errorf("%q", got)
	}
	history := ok("history", "article/42", "--since=1h")
	if !strings.Contains(history, "Ana (7) holds\n") || !strings.Contains(history, `Ana (7): forced by The boss[2J (9) after `) || !strings.Contains(history, `, "she is on holiday"`) {
		t.Errorf("history:\n%s", history)
	}
	var entry wire.HistoryEntry
	if lines := strings.Split(strings.TrimSpace(ok("history", "article/42", "--json")), "\n"); len(lines) != 2 || json.Unmarshal([]byte(lines[1]), &entry) != nil || entry.Ended == nil || entry.Ended.Fence != g[0].Fence {
		t.Errorf("history as JSON: %q", lines)
	}
	var renewed wire.Problem
	if status := s.ask(t, ana, "renew", wire.RenewCall{Session: g[0].Session}, &renewed); status != 409 || renewed.Code != wire.SessionOver || len(renewed.Ended) != 1 || renewed.Ended[0].Reason != "forced" {
		t.Errorf("whoever held is told %d %+v", status, renewed)
	}
}

// What keeps a command from the server is said in words, with an exit code for each kind.
func TestCommandsSayWhatIsWrong(t *testing.T) {
	s := serve(t)
	token := mint(t, "--sub=7", "--right=watch:article/*")
	elsewhere := mintWith(t, "EDITLOCK_KEY=aXBPzSjXVcXwc1YDYJPeJ6pXWm2q0w8iT5E7vRr1uGkHcZ0fQyLb9mDaSx3oKtVn", "--sub=7")
	for name, c := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"no token":        {[]string{"EDITLOCK_SERVER=http://" + s.addr + "/editlock"}, []string{"ls"}, 2, "an access token is missing"},
		"an empty file":   {nil, []string{"ls", "--token-file=" + file(t, "empty", "\n")}, 2, "is empty"},
		"no file":         {nil, []string{"ls", "--token-file=/nowhere/at/all"}, 2, "--token-file"},
		"no token at all": {nil, []string{"ls", "--token=two\nlines"}, 2, "is no access token"},
		"a bad address":   {[]string{"EDITLOCK_TOKEN=" + token}, []string{"ls", "--server=localhost:8420"}, 2, "write it as https://"},
		"nobody there":    {[]string{"EDITLOCK_TOKEN=" + token}, []string{"ls", "--server=http://127.0.0.1:1/editlock"}, 5, "no server answers at http://127.0.0.1:1/editlock"},
		"another base":    {s.remote(token), []string{"ls", "--server=http://" + s.addr + "/elsewhere"}, 5, "/elsewhere is no editlock server (404 Not Found)"},
		"another's key":   {s.remote(elsewhere), []string{"ls"}, 4, "The access token was refused"},
		"no right":        {s.remote(token), []string{"history", "invoice/1"}, 4, "watch:invoice/1"},
		"no right to end": {s.remote(token), []string{"release", "article/1", "--reason=x", "--fence=7"}, 4, "administer:article/1"},
		"no reason":       {s.remote(token), []string{"release", "article/1"}, 2, "--reason"},
		"a bad name":      {s.remote(token), []string{"history", "article//1"}, 2, "empty segment"},
		"time to come":    {s.remote(token), []string{"history", "article/1", "--since=-1h"}, 2, "--since"},
		"dots":            {s.remote(token), []string{"history", "article/../1"}, 2, "not allowed"},
	} {
		status, stdout, stderr := run(t, c.env, c.args...)
		if status != c.code || !strings.Contains(stderr, c.want) || stdout != "" {
			t.Errorf("%s: status %d, want %d with %q:\n%s%s", name, status, c.code, c.want, stdout, stderr)
		}
	}
}

func mintWith(t *testing.T, key string, args ...string) string {
	t.Helper()
	status, stdout, stderr := run(t, []string{key}, append([]string{"token"}, args...)...)
	if status != 0 {
		t.Fatal(stderr)
	}
	return strings.TrimSpace(stdout)
}

// A program keeps its lock, and one that waits its place, when the server is killed: the next renewal resumes the session, with the same
// fence, and a repeat of it gives the same answer.
// Faults: N1
func TestProgramsSurviveKill(t *testing.T) {
	store := "sqlite:" + t.TempDir() + "/locks.db"
	again := func() *service {
		return started(t, command(context.Background(), []string{testKey, testSigning}, "serve", "--listen=127.0.0.1:0", "--store="+store))
	}
	ana, ben := mint(t, "--sub=7", "--name=Ana", "--right=edit:article/*"), mint(t, "--sub=8", "--name=Ben", "--right=edit:article/*")
	s := again()
	var g wire.Granted
	if status := s.ask(t, ana, "acquire", wire.AcquireCall{Resource: "article/42"}, &g); status != 200 {
		t.Fatal(status)
	}
	var p wire.Problem
	if status := s.ask(t, ben, "acquire", wire.AcquireCall{Resource: "article/42", Wait: 0.1}, &p); status != 423 || p.Session == "" {
		t.Fatalf("%d %+v", status, p)
	}
	session, place := g.Session, p.Session
	for range 2 {
		if err := s.cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		s.wait(t)
		s = again()
		var r, twice wire.Renewed
		for _, out := range []*wire.Renewed{&r, &twice} {
			if status := s.ask(t, ana, "renew", wire.RenewCall{Session: session}, out); status != 200 || len(out.Locks) != 1 || out.Locks[0].Fence != g.Fence || out.Session == session {
				t.Fatalf("after a kill: %d %+v", status, out)
			}
		}
		if twice.Session != r.Session {
			t.Error("a repeat of the renewal has another answer")
		}
		session = r.Session
		var q wire.Renewed
		if status := s.ask(t, ben, "renew", wire.RenewCall{Session: place}, &q); status != 200 || len(q.Places) != 1 || q.Places[0].Position != 1 {
			t.Fatalf("the place after a kill: %d %+v", status, q)
		}
		place = q.Session
	}
	var out wire.Standing
	if status := s.ask(t, ana, "release", wire.ReleaseCall{Session: session, Resource: "article/42", Fence: g.Fence}, &out); status != 200 {
		t.Fatal(status)
	}
	var h wire.Granted
	if status := s.ask(t, ben, "acquire", wire.AcquireCall{Resource: "article/42", Session: place, Wait: 50}, &h); status != 200 || h.Fence <= g.Fence {
		t.Fatalf("%d %+v", status, h)
	}
}

// The examples of the documentation do what it says.
func TestExamplesOfHTTP(t *testing.T) {
	text, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```\n(?:```text\n(.*?)```\n)?").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 7 {
		t.Fatalf("%d examples", len(blocks))
	}
	const end = "----"
	script, want := "", ""
	for _, b := range blocks {
		script += b[1] + "echo " + end + "\n"
		want += b[2] + end + "\n"
	}
	s := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{
		"PATH=" + filepath.Dir(program) + ":" + os.Getenv("PATH"), "EDITLOCK=http://" + s.addr + "/editlock",
		"TOKEN=" + mint(t, "--sub=7", "--name=Ana", "--right=edit:article/*"),
		"ADMIN=" + mint(t, "--sub=9", "--name=The administrator", "--right=edit:article/*", "--right=administer:article/*"),
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	got, err := cmd.Output()
	if err != nil || string(got) != want || stderr.Len() > 0 {
		t.Errorf("%v, %s\ngot:\n%s\nwant:\n%s", err, &stderr, got, want)
	}
}
