package ui

import "github.com/fairlead-io/fairlead/bridge/answer"

// events answers with the platform API's stream of events, for the script of the pages: a
// browser cannot send a token with it, and keeps the session's cookie from other paths.
func (v *visit) events() {
	if v.fromElsewhere() {
		v.fail(answer.Failf(answer.Forbidden, "the browser says that another site asks for this"))
		return
	}
	const path = "/v1/events"
	to := v.to(path, v.r.URL.Query())
	v.pass(v.w, to, path)
}
