//! Where settings, torrents and downloads lie when nobody says: [`Places`].
//!
//! ```text
//! settings   $PEER_HOME/config.toml, else $XDG_CONFIG_HOME/swarmlet/config.toml (~/.config/..)
//! torrents   $PEER_HOME,             else $XDG_STATE_HOME/swarmlet             (~/.local/state/..)
//! downloads  $XDG_DOWNLOAD_DIR, else what ~/.config/user-dirs.dirs says, else ~/Downloads
//! ```
//! Source: the XDG base directory specification 0.8, and xdg-user-dirs. A variable that is no
//! absolute path is passed over, as the specification asks.

use std::path::{Path, PathBuf};

/// The name of our folders.
const OURS: &str = "swarmlet";

/// The name of the settings file.
pub const SETTINGS: &str = "config.toml";

/// Where things lie; `None` where the environment does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The folder of the settings file.
    pub config: Option<PathBuf>,
    /// The folder that torrents are kept in.
    pub state: Option<PathBuf>,
    /// Where downloads of a daemon go.
    pub downloads: Option<PathBuf>,
    /// A web page of Transmission's (`$TRANSMISSION_WEB_HOME`).
    pub web_home: Option<PathBuf>,
}

impl Places {
    /// The places that the variables name; `read` gives the text of a file.
    pub fn of(
        variable: impl Fn(&str) -> Option<String>,
        read: impl Fn(&Path) -> Option<String>,
    ) -> Self {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = absolute("HOME");
        let below =
            |name, rest: &str| absolute(name).or_else(|| home.as_ref().map(|home| home.join(rest)));
        let config_home = below("XDG_CONFIG_HOME", ".config");
        let own = absolute("PEER_HOME");
        let named = config_home.as_ref().and_then(|folder| read(&folder.join("user-dirs.dirs")));
        let named = named.and_then(|text| download_dir(&text, home.as_deref()));
        Self {
            config: own.clone().or_else(|| config_home.map(|folder| folder.join(OURS))),
            state: own.or_else(|| below("XDG_STATE_HOME", ".local/state").map(|p| p.join(OURS))),
            downloads: absolute("XDG_DOWNLOAD_DIR")
                .or(named)
                .or_else(|| home.map(|home| home.join("Downloads"))),
            web_home: absolute("TRANSMISSION_WEB_HOME"),
        }
    }

    /// Those of this process.
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        Self::of(variable, |path| std::fs::read_to_string(path).ok())
    }
}

/// `XDG_DOWNLOAD_DIR="$HOME/Downloads"` in the file of xdg-user-dirs.
fn download_dir(text: &str, home: Option<&Path>) -> Option<PathBuf> {
    let line =
        text.lines().map(str::trim).find_map(|line| line.strip_prefix("XDG_DOWNLOAD_DIR="))?;
    let value = line.trim().trim_matches('"');
    let path = match value.strip_prefix("$HOME") {
        Some(rest) => home?.join(rest.trim_start_matches('/')),
        None => PathBuf::from(value),
    };
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(variables: &[(&str, &str)], file: Option<&str>) -> Places {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Places::of(variable, |_| file.map(str::to_owned))
    }

    fn check(variables: &[(&str, &str)], file: Option<&str>, expected: [&str; 3]) {
        let found = places(variables, file);
        let found = [found.config, found.state, found.downloads];
        assert_eq!(found, expected.map(|path| Some(PathBuf::from(path))), "{variables:?}");
    }

    #[test]
    fn the_variables_of_the_xdg_specification_go_before_its_defaults() {
        let home = ("HOME", "/h");
        let usual = ["/h/.config/swarmlet", "/h/.local/state/swarmlet", "/h/Downloads"];
        check(&[home], None, usual);
        check(&[home, ("XDG_CONFIG_HOME", "relative")], None, usual);
        let named = [home, ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s")];
        check(&named, None, ["/c/swarmlet", "/s/swarmlet", "/h/Downloads"]);
        check(&[home, ("PEER_HOME", "/p")], None, ["/p", "/p", "/h/Downloads"]);
    }

    #[test]
    fn downloads_go_where_the_desktop_says() {
        let file = "# made by xdg\nXDG_DOWNLOAD_DIR=\"$HOME/dl\"\n";
        let usual = ["/h/.config/swarmlet", "/h/.local/state/swarmlet"];
        let expect = |downloads| [usual[0], usual[1], downloads];
        check(&[("HOME", "/h")], Some(file), expect("/h/dl"));
        check(&[("HOME", "/h"), ("XDG_DOWNLOAD_DIR", "/d")], Some(file), expect("/d"));
        check(&[("HOME", "/h")], Some("XDG_DOWNLOAD_DIR=nowhere"), expect("/h/Downloads"));
    }

    #[test]
    fn without_a_home_nothing_is_guessed() {
        assert_eq!(places(&[], None), Places::default());
    }
}
