package main

import "github.com/editlock/editlock/wire"

// entry is a message of the protocol. Its type is that of package wire; a test holds that none is missing.
type entry struct {
	frame   wire.Frame
	about   string
	answers []string // to a request: which messages answer it, beside error
}

// requests come from clients, in the order of docs/spec.md.
var requests = []entry{
	{&wire.Hello{}, "Authenticates the connection, and resumes a session if it names one. The first request, within 5 s.", []string{"welcome"}},
	{&wire.Acquire{}, "Asks for the lock: granted, queued, or with `wait` false refused with `locked`. It may be repeated: a holder gets its hold again, a waiter its place.", []string{"ok"}},
	{&wire.Confirm{}, "Says that the page of a grant is there. Only when this is answered with `ok` may the page edit.", []string{"ok"}},
	{&wire.Release{}, "Frees the lock at once. With an old fence it changes nothing, and has the same answer.", []string{"ok"}},
	{&wire.Cancel{}, "Leaves the queue, or gives back a grant that is not confirmed yet. A confirmed hold stays.", []string{"ok"}},
	{&wire.Watch{}, "Asks for snapshots from now on, of one resource or of all that begin with a prefix.", []string{"ok"}},
	{&wire.Unwatch{}, "Ends what watch began. A lock or a place in the queue is not given up by it.", []string{"ok"}},
	{&wire.Changed{}, "Says that the holder saved the content: all who wait and watch are told.", []string{"ok"}},
	{&wire.Token{}, "Brings a fresh access token of the same user, before the old one expires.", []string{"ok"}},
	{&wire.Bye{}, "Says that the page is gone, or read-only from now on: the session has 5 s left unless it is resumed.", []string{"ok"}},
	{&wire.Pong{}, "Answers a ping, at once, from the handler in which the ping arrived. It has no id and no answer.", nil},
}

// replies come from the server.
var replies = []entry{
	{frame: &wire.Welcome{}, about: "Answers hello: whose session it is, and what it holds and waits for."},
	{frame: &wire.OK{}, about: "Answers every other request that succeeded. Which members it has depends on the request: `snapshot` for one about a resource, `snapshots` and `more` for a watch of a prefix, `token_expires_in` for a token."},
	{frame: &wire.Error{}, about: "Answers a request that failed; or says, without an id, why the connection is about to be closed."},
	{frame: &wire.Ping{}, about: "The heartbeat. It acknowledges a pong, and brings fresh lock tokens."},
	{frame: &wire.Move{}, about: "The server is going to stop: come back on a new connection at a random moment within so many seconds."},
	{frame: &wire.Snapshot{}, about: "What holds now of a resource that this session holds, waits for or watches."},
}

// pushes are the replies that come unasked, with what answers them.
var pushes = []struct {
	kind    string
	answers []string
}{{"ping", []string{"pong"}}, {"move", nil}, {"snapshot", nil}, {"error", nil}}

// members say what a member means: by message or type and member, or by member alone.
var members = map[string]string{
	"id":               "Chosen by the client, and echoed by the answer.",
	"error.id":         "The request that failed; absent if the error is about the connection.",
	"User.id":          "What tells users apart.",
	"name":             "As others see it. Show it as text, never as markup.",
	"token":            "An access token: a JWT of the application, at most 8 KiB.",
	"Mine.token":       "The lock token: signed proof of the hold, to be sent with a save. Opaque to the page.",
	"LockGrant.token":  "The lock token: signed proof of the hold, to be sent with a save. Opaque to the page.",
	"nonce":            "128 random bits in base64url without padding. The same again if the attempt is repeated.",
	"hello.resume":     "The resume token of the session to come back to; absent for a new session.",
	"welcome.resume":   "The next resume token. It can be used once, and must not leave the page.",
	"resource":         "What is edited, such as `article/42`, in normal form C; 512 bytes at most.",
	"part":             "A region of the resource. This version of the server answers `unsupported`.",
	"prefix":           "Selects resources: a name followed by `/`, or the empty string for all.",
	"wait":             "Whether to be queued if somebody else holds. Absent: true.",
	"acquire.move":     "If another session of the same user holds, move the lock here at once. Absent: false.",
	"fence":            "The number of the grant: greater than that of every earlier grant of the resource.",
	"watch.fence":      "A holding that the client once had, and whose end it wants to be told. Absent or 0: none.",
	"version":          "The version of the content: opaque, 200 bytes at most in a request.",
	"session":          "The session. It outlives its connections.",
	"epoch":            "The number of this connection among those of the session.",
	"resumed":          "Whether the session existed before.",
	"user":             "Who it is.",
	"Holder.user":      "The id of the user.",
	"ttl":              "Seconds for which a session that fell silent keeps what it holds.",
	"margin":           "Seconds by which the client stops believing sooner than that.",
	"heartbeat":        "Seconds between two pings, give or take a tenth.",
	"pong_timeout":     "Seconds that the answer to a ping may take.",
	"rights":           "The verbs that the access token gives for anything at all.",
	"token_expires_in": "Seconds until the access token expires.",
	"snapshots":        "Of every resource that the session holds or waits for; after a watch of a prefix, of every one there that is held, lapsed or waited for.",
	"snapshot":         "What holds now.",
	"error.snapshot":   "With `locked`: who holds.",
	"more":             "There are more resources under the prefix than these.",
	"code":             "What went wrong; stable, for programs.",
	"message":          "For people: what went wrong, and what to do.",
	"retry_after":      "Seconds after which to try again.",
	"ping":             "The number of the ping.",
	"ack":              "The number of the last pong that the server received and vouches for; 0: none yet.",
	"locks":            "Every confirmed lock of the session; absent if there is none.",
	"expires_in":       "Seconds for which the lock token is good.",
	"within":           "Seconds that there are.",
	"revision":         "Rises with every change. A snapshot that is older than the last one taken on this connection is ignored.",
	"Snapshot.state":   "`lapsed`: the holder's time is over and nobody has asked; anyone may acquire, the same session may take it back.",
	"snapshot.state":   "`lapsed`: the holder's time is over and nobody has asked; anyone may acquire, the same session may take it back.",
	"holder":           "Absent when the resource is free.",
	"waiting":          "How many wait.",
	"mine":             "Where this session stands; absent if it neither holds nor waits.",
	"ended":            "How the last holding of this session ended, when it just did or when that was asked for.",
	"since":            "For people: nothing may be computed from it.",
	"held_for":         "Seconds since then, by the server's clock.",
	"you":              "It is this session.",
	"yours":            "It is another session of the same user.",
	"Mine.state":       "`absent`: in the queue, but skipped until it asks again. `granted`: others are excluded already; confirm. `held`: confirmed. `lapsed`: its own hold, over in time and not yet given on.",
	"position":         "The place in the queue, from 1.",
	"confirm_within":   "Seconds in which a grant has to be confirmed.",
	"reason":           "Why the holding ended.",
	"at":               "When it ended; for people.",
}

// codes say when an error comes, and what becomes of the connection.
var codes = []struct {
	code  wire.Code
	about string
}{
	{wire.BadJSON, "Not one JSON object as the protocol wants it. The connection is closed with 4104."},
	{wire.BadFrame, "A binary frame. The connection is closed with 1003."},
	{wire.BadRequest, "An unknown type, or a member that is missing or of the wrong kind. After 10 in a row the connection is closed with 4104."},
	{wire.BadResource, "A name that is no resource's."},
	{wire.Unsupported, "Known, but not by this server."},
	{wire.Unauthenticated, "The access token is missing, expired or refused. Before the welcome the connection is closed with 4201."},
	{wire.Forbidden, "A right is missing."},
	{wire.Locked, "Somebody else holds, and the request did not want to wait."},
	{wire.StaleFence, "The fence is no longer the session's."},
	{wire.QueueFull, "Too many wait for this resource."},
	{wire.TooManyLocks, "The session holds and waits for too much."},
	{wire.TooManyWatches, "The connection watches too much."},
	{wire.TooManySessions, "The user, or the address, has too many sessions. The connection is closed with 4102."},
	{wire.RateLimited, "Too many messages. If it goes on, the connection is closed with 4102."},
	{wire.ResumeRefused, "The session cannot be resumed: say hello without `resume`."},
	{wire.ResumeReused, "The resume token was used before. The connection is closed with 4303."},
	{wire.Unavailable, "The store does not answer; nothing has changed."},
	{wire.UnknownOutcome, "It may or may not have been done: ask again, requests may be repeated."},
	{wire.Replaced, "A newer connection has the session. The connection is closed with 4302."},
	{wire.SessionOver, "The session was silent for too long: resume it on a new connection. The connection is closed with 1012."},
	{wire.ShuttingDown, "The server is stopping."},
}

// closes say why a connection was closed. What a client does then is said by package wire.
var closes = []struct {
	code  int
	about string
}{
	{wire.CloseGoingAway, "The other side goes away."},
	{wire.CloseProtocol, "A frame that WebSocket does not allow."},
	{wire.CloseBinary, "A binary frame."},
	{wire.CloseAbnormal, "Never sent: the connection ended without a code."},
	{wire.CloseBadText, "Text that is not UTF-8."},
	{wire.CloseTooBig, "A message above 16 KiB."},
	{wire.CloseInternal, "Something went wrong in the server, in this connection alone."},
	{wire.CloseRestart, "The server stops, or the session has to be resumed."},
	{wire.CloseTooSlow, "The client reads too slowly."},
	{wire.CloseNoPong, "A ping was not answered in time."},
	{wire.CloseTooMany, "Too many connections, messages or bytes."},
	{wire.CloseHelloLate, "No hello in time."},
	{wire.CloseBadMessage, "A message that the protocol does not allow; the session is intact."},
	{wire.CloseTokenExpired, "The access token has expired."},
	{wire.CloseTokenRefused, "The access token was refused."},
	{wire.CloseReplaced, "A newer connection of the same session has taken its place."},
	{wire.CloseResumeReused, "The resume token was used before."},
	{wire.CloseSessionEnded, "The session has ended for good."},
}

// returns say what a client does after a close.
var returns = map[wire.Return]string{
	wire.ReturnNow:     "Come back at once (the first time within 0 to 4 s), and resume.",
	wire.ReturnLater:   "Come back later: full jitter from 0.5 to 20 s, at most 5 s while holding.",
	wire.ReturnRefresh: "Get a new access token first, then come back.",
	wire.ReturnNever:   "Do not come back with this session.",
}

// reasons are why a holding ended.
var reasons = []string{"released", "left", "handed_over", "idle", "expired", "unconfirmed", "taken_over", "forced", "revoked", "logged_out"}
