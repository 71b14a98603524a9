/// The page of a run. `server` is `GITHUB_SERVER_URL`; github.com if GitHub names none.
pub fn run_url(server: Option<&str>, repository: &str, run: &str) -> String {
    let server = server.filter(|server| !server.is_empty()).unwrap_or("https://github.com");
    format!("{server}/{repository}/actions/runs/{run}")
}
