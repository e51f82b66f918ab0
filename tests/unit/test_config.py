"""The settings: precedence, sources, files that are refused, paths, and what is masked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelreg import config
from modelreg.config import Settings, load_settings, login_name
from modelreg.config.schema import SCHEMA
from modelreg.errors import UsageError
from modelreg.masking import masked


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, so that no test sees the settings of whoever runs it."""
    folder = tmp_path / "home"
    folder.mkdir()
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(variable, str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / ".git").mkdir(parents=True)
    return folder


def _user_file(text: str) -> Path:
    path = config._user_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _load(project: Path, flags: Mapping[str, str] | None = None, **environ: str) -> Settings:
    return load_settings(flags, environ={"USER": "ada", **environ}, cwd=project)


def test_without_any_source_every_value_is_the_documented_default(project: Path, home: Path) -> None:
    """Nothing given: embedded registry in the user's data folder, this interpreter as target, the login name."""
    settings = _load(project)
    assert {setting.source for setting in settings} == {"default"}
    assert settings.home.value.is_relative_to(home)
    assert settings.database_url.value == f"sqlite:///{settings.home.value}/registry.db"
    assert settings.storage_url.value == f"file://{settings.home.value}/store"
    assert (settings.target.value, settings.user.value) == ("current", "ada")
    assert (settings.require_signature.value, settings.allow.value, settings.strict.value) == (False, (), ())
    assert settings.provides.value is None


def test_the_table_and_the_record_hold_the_same_settings_in_the_same_order() -> None:
    """``SCHEMA`` is the one table: a setting cannot exist beside it."""
    assert [field.name for field in fields(Settings)] == [row.name for row in SCHEMA]
    assert [row.variable for row in SCHEMA] == [f"MODELREG_{row.name.upper()}" for row in SCHEMA]


def test_flag_beats_environment_beats_project_beats_user_beats_default(project: Path) -> None:
    """Each source in turn is taken away, and the next one's value appears with its name."""
    user_file = _user_file('target = "/by-user"\n')
    project_file = project / "modelreg.toml"
    project_file.write_text('target = "/by-project"\n')
    flags, variable = {"target": "by-flag"}, {"MODELREG_TARGET": "by-variable"}

    seen = [_load(project, flags, **variable).target, _load(project, None, **variable).target, _load(project).target]
    project_file.unlink()
    seen.append(_load(project).target)
    user_file.unlink()
    seen.append(_load(project).target)

    assert [(setting.value, setting.source) for setting in seen] == [
        ("by-flag", "flag"),
        ("by-variable", "environment MODELREG_TARGET"),
        ("/by-project", str(project_file)),
        ("/by-user", f"user file {user_file}"),
        ("current", "default"),
    ]


def test_an_empty_variable_counts_as_unset(project: Path) -> None:
    """``MODELREG_TARGET= modelreg ...`` is how a shell unsets one."""
    assert _load(project, MODELREG_TARGET="").target.source == "default"


def test_home_moves_the_default_database_and_store_with_it(project: Path) -> None:
    """They are told relative to ``home``, and stay *default* in the list of sources."""
    settings = _load(project, MODELREG_HOME="reg")
    assert settings.home.value == project / "reg"
    assert settings.database_url.value == f"sqlite:///{project}/reg/registry.db"
    assert settings.storage_url.value == f"file://{project}/reg/store"
    assert settings.storage_url.source == "default"


def test_the_project_file_is_found_from_a_folder_deep_inside(project: Path) -> None:
    """As for git: any folder of the project will do."""
    (project / "modelreg.toml").write_text("require_signature = true\n")
    deep = project / "a" / "b"
    deep.mkdir(parents=True)
    assert _load(deep).require_signature.value is True


def test_the_search_stops_at_the_folder_that_holds_git(project: Path) -> None:
    """A file above the repository is not the project's."""
    (project.parent / "modelreg.toml").write_text("require_signature = true\n")
    assert _load(project).require_signature.value is False


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('home = "reg"', "{project}/reg"),
        ('home = "../reg"', "{parent}/reg"),
        ('home = "/srv/reg"', "/srv/reg"),
        ('home = "~/reg"', "{home}/reg"),
        ('database_url = "reg.db"', "sqlite:///{project}/reg.db"),
        ('database_url = "sqlite:///reg.db"', "sqlite:///{project}/reg.db"),
        ('database_url = "sqlite:////srv/reg.db?mode=ro"', "sqlite:////srv/reg.db?mode=ro"),
        ('database_url = "sqlite:///:memory:"', "sqlite:///:memory:"),
        ('database_url = "postgresql+psycopg://u:p@h/d"', "postgresql+psycopg://u:p@h/d"),
        ('storage_url = "store"', "file://{project}/store"),
        ('storage_url = "file://store"', "file://{project}/store"),
        ('storage_url = "file://~/store"', "file://{home}/store"),
        ('storage_url = "file:///srv/store"', "file:///srv/store"),
        ('storage_url = "s3://bucket/prefix"', "s3://bucket/prefix"),
        ('target = "current"', "current"),
        ('target = "python3.8"', "python3.8"),
        ('target = "prod.txt"', "{project}/prod.txt"),
        ('target = "prod.txt@3.11"', "{project}/prod.txt@3.11"),
    ],
)
def test_a_relative_path_in_a_file_is_relative_to_that_file(
    written: str, expected: str, project: Path, home: Path
) -> None:
    """Whatever folder the command is typed in, a file means the same places."""
    (project / "prod.txt").write_text("# python==3.11\n")
    (project / "modelreg.toml").write_text(written + "\n")
    deep = project / "deep"
    deep.mkdir()
    name = written.partition(" ")[0]
    value = {setting.name: setting.value for setting in _load(deep)}[name]
    assert str(value) == expected.format(project=project, parent=project.parent, home=home)


@pytest.mark.parametrize(
    ("flag", "text", "expected"),
    [
        ("allow", "MR401, mr402,MR401", ("MR401", "MR402")),
        ("strict", "MR101", ("MR101",)),
        ("provides", "none", ()),
        ("provides", "Scale,my_activation", ("Scale", "my_activation")),
        ("require_signature", "yes", True),
        ("require_signature", "0", False),
    ],
)
def test_a_text_is_read_by_the_kind_of_its_setting(flag: str, text: str, expected: object, project: Path) -> None:
    """Lists are separated by commas; truth has its usual spellings."""
    by_flag = {setting.name: setting.value for setting in _load(project, {flag: text})}
    by_variable = {
        setting.name: setting.value for setting in _load(project, None, **{f"MODELREG_{flag.upper()}": text})
    }
    assert by_flag[flag] == expected == by_variable[flag]


@pytest.mark.parametrize(
    ("written", "says", "hint"),
    [
        ("require_signatures = true", "there is no setting 'require_signatures'", "did you mean 'require_signature'?"),
        ("zzz = 1", "there is no setting 'zzz'", "settings are: home, database_url"),
        (
            'require_signature = "yes"',
            "require_signature is 'yes' where true or false belongs",
            "require_signature = true",
        ),
        ("target = 3.11", "target is 3.11 where a text belongs", 'target = "..."'),
        ('target = ""', "target is '' where a text belongs", 'target = "..."'),
        ('allow = "MR401"', "allow is 'MR401' where an array of texts belongs", 'allow = ["...", "..."]'),
        ('allow = ["E501"]', "allow is ['E501'] where a list of rule ids belongs", 'allow = ["MR401"]'),
        ("[home]\nx = 1", "home is {'x': 1} where a text belongs", 'home = "..."'),
        ('storage_url = "s3:bucket"', "storage_url is 's3:bucket' where a URL or a path belongs", "s3://..."),
        ("target = current", "not valid TOML", "settings look like"),
        ("# é\n\nallow = 1 2\n", "line 3", "settings look like"),
    ],
)
def test_a_file_that_cannot_be_taken_as_it_is_is_an_error_that_names_it(
    written: str, says: str, hint: str, project: Path
) -> None:
    """Fail closed: a misspelt ``require_signature`` must not silently switch the demand off."""
    path = project / "modelreg.toml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        _load(project)
    assert str(path) in caught.value.message
    assert says in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_file_that_is_too_long_not_utf8_or_no_file_is_an_error(project: Path) -> None:
    """The bound, the encoding and the kind of file are all checked, and the path is named."""
    path = project / "modelreg.toml"
    for data, says in ((b"#" * (config.FILE_SIZE_BYTES_MAX + 1), "1,048,576"), (b"\n# \xff\n", "line 2")):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=says):
            _load(project)
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        _load(project)
    path.rmdir()
    path.symlink_to("nowhere")
    with pytest.raises(UsageError, match="cannot be read"):
        _load(project)


@pytest.mark.parametrize(
    ("flags", "environ", "says"),
    [
        ({"targt": "x"}, {}, "flag: there is no setting 'targt'"),
        ({"allow": "everything"}, {}, "flag: allow is 'everything'"),
        ({}, {"MODELREG_REQUIRE_SIGNATURE": "perhaps"}, "environment MODELREG_REQUIRE_SIGNATURE: require_signature is"),
    ],
)
def test_a_wrong_flag_or_variable_is_an_error_that_names_it(
    flags: dict[str, str], environ: dict[str, str], says: str, project: Path
) -> None:
    """The source is told, since the value may come from far away."""
    with pytest.raises(UsageError) as caught:
        _load(project, flags, **environ)
    assert says in caught.value.message


def test_an_error_about_a_url_does_not_show_its_password(project: Path) -> None:
    """A message may end up in a log."""
    with pytest.raises(UsageError) as caught:
        _load(project, {"allow": "postgresql://u:hunter2@h/d"})
    assert "hunter2" not in caught.value.message


def test_the_login_name_survives_a_container_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """An arbitrary user id, as OpenShift gives, has no entry in the password file."""
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert login_name({}) == "uid-2147483641"
    assert login_name({"LOGNAME": "ada"}) == "ada"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:p@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql+psycopg://u:p@ss@h/d", "postgresql+psycopg://u:***@h/d"),
        ("postgresql://u:p/w?x#y@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?user=u&password=p&sslmode=require", "postgresql://h/d?user=u&password=***&sslmode=require"),
        ("s3://b/p?secret_access_key=k&region=eu", "s3://b/p?secret_access_key=***&region=eu"),
        ("https://h:9000/path@1", "https://h:9000/path@1"),
        ("https://h/x?X-Amz-Signature=ab", "https://h/x?X-Amz-Signature=***"),
        ("sqlite:////srv/a@b/registry.db", "sqlite:////srv/a@b/registry.db"),
        ("file:///srv/store", "file:///srv/store"),
    ],
)
def test_passwords_and_secrets_of_a_url_are_masked(url: str, shown: str) -> None:
    """Only what is secret goes; the rest still says which database it is."""
    assert masked(url) == shown


@given(password=st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=6))
def test_no_password_shines_through(password: str) -> None:
    """Whatever characters it is made of, escaped or not, unless it reads as a port and a path."""
    if not password.partition("/")[0].isdecimal():
        assert password not in masked(f"postgresql://someone:{password}@h/d")
