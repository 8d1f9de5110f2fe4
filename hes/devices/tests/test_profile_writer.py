"""What is written as a profile reads back as the same profile."""

import pytest

from hes import toml_file
from hes.devices import profiles
from hes.devices.profile_file import ProfileFile, check, read_profile_file
from hes.devices.profile_writer import to_toml
from hes.resources import file_or_shipped


def again(profile: ProfileFile, *comments: str) -> ProfileFile:
    return check(toml_file.parse(to_toml(profile, comments), "written.toml"))


@pytest.mark.parametrize("name", profiles.shipped())
def test_every_shipped_profile_reads_back_as_itself(name: str) -> None:
    source = read_profile_file(file_or_shipped(name, profiles.FOLDER))
    assert again(source, "a comment", "") == source


@pytest.mark.parametrize("title", ['quotes " and \\', "tab\tand\x1f", "ü € \x7f", "# no comment", "[no table]"])
def test_any_text_survives(title: str) -> None:
    source = read_profile_file(file_or_shipped("ami-1p", profiles.FOLDER)).model_copy(update={"title": title})
    assert again(source).title == title


def test_objects_stand_last_a_line_each_and_rights_survive() -> None:
    source = read_profile_file(file_or_shipped("ami-1p", profiles.FOLDER))
    objects = {
        "3/1.0.1.8.0.255": ProfileFile.Object(read=(1, 2, 3), call=(1,)),
        "8200/0.1.2.3.4.5": ProfileFile.Object(version=3, read=(1, -1), write=(2,)),
        "1/0.0.1.0.0.255": ProfileFile.Object(),
    }
    source = source.model_copy(update={"objects": objects})
    assert again(source) == source
    text = to_toml(source)
    assert '"8200/0.1.2.3.4.5" = { version = 3, read = [1, -1], write = [2] }' in text
    assert text.index("[objects]") > text.rindex("[[item]]")
    known = profiles.build(source).objects
    assert [(each.class_id, str(each.obis), each.read) for each in known][:1] == [(3, "1.0.1.8.0.255", (1, 2, 3))]


def test_a_profile_without_load_profile_loads_and_says_what_it_lacks_when_asked() -> None:
    source = read_profile_file(file_or_shipped("ami-1p", profiles.FOLDER))
    part = source.model_copy(update={"load_profile": None, "disconnect": None, "manufacturer": ""})
    profile = profiles.build(again(part))
    assert profile.gaps == ("manufacturer", "load_profile", "disconnect")
    assert [captured.name for captured in profile.profiles] == ["billing"]
    with pytest.raises(Exception, match=r"ami-1p has no \[load_profile\]"):
        _ = profile.load_profile
    with pytest.raises(Exception, match=r"has no \[disconnect\]"):
        _ = profile.disconnect_control
