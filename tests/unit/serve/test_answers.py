"""What the HTTP interface answers, asked over a real socket."""

import base64
import json
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as PillowImage

import tagseg
from tagseg.classes import ClassTable
from tagseg.data.image_formats import ENDINGS_BY_FORMAT
from tagseg.ops.overlay import overlay_labels
from tagseg.report.colors import safe_color
from tagseg.use.cams import load_networks

CLASSES = ClassTable(("cat", "dog", "red fox"))
PHOTO = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8).repeat(12, 0).repeat(12, 1)


def encoded(image: np.ndarray | PillowImage.Image = PHOTO, kind="PNG", **options) -> bytes:
    file = BytesIO()
    picture = PillowImage.fromarray(image) if isinstance(image, np.ndarray) else image
    picture.save(file, format=kind, **options)
    return file.getvalue()


def opened(data: bytes) -> np.ndarray:
    return np.array(PillowImage.open(BytesIO(data)))


def decoded(text: str) -> np.ndarray:
    return opened(base64.b64decode(text))


@pytest.fixture(scope="module")
def segmenter(serving, segmenter_folder):
    return serving(segmenter_folder)


@pytest.fixture(scope="module")
def classifier(serving, classifier_run):
    return serving(classifier_run)


@pytest.fixture(scope="module")
def both(serving, full_run):
    return serving(full_run)


class TestSegmenter:
    def test_labels_are_those_of_load_and_predict(self, segmenter, segmenter_folder):
        wanted = tagseg.load(segmenter_folder, device="cpu").predict(PHOTO)
        (found,) = segmenter.send("/predict", ("a.png", encoded()), score=True).json()["images"]
        np.testing.assert_array_equal(decoded(found["mask_png"]), wanted.labels)
        np.testing.assert_array_equal(decoded(found["score_png"]), np.rint(255 * wanted.score))
        assert len(found["labels"]) > 1
        for label in found["labels"]:
            where = wanted.labels == label["id"]
            assert label["name"] == wanted.names[label["id"]]
            assert label["pixels"] == where.sum() == wanted.area()[label["name"]]
            assert label["share"] == pytest.approx(where.mean())
            assert label["mean_score"] == pytest.approx(float(wanted.score[where].mean()), abs=1e-5)
        assert (found["name"], found["height"], found["width"]) == ("a.png", 72, 96)
        assert (found["network"], found["background_score"], found["tags"]) == ("segmenter", None, None)
        assert found["seconds"] > 0

    def test_scores_come_when_asked(self, segmenter):
        (found,) = segmenter.send("/predict", ("a.png", encoded())).json()["images"]
        assert found["score_png"] is None

    def test_several_files_come_in_order_and_a_bad_one_has_its_own_sentence(self, segmenter):
        answer = segmenter.send(
            "/predict", ("b.png", encoded()), ("notes.jpg", b"some text"), ("a.png", encoded(PHOTO[:40]))
        )
        assert answer.status == 200
        first, bad, last = answer.json()["images"]
        assert (first["name"], last["name"], last["height"]) == ("b.png", "a.png", 40)
        assert bad == {
            "name": "notes.jpg",
            "error": f"image notes.jpg must be one of {', '.join(ENDINGS_BY_FORMAT)}, got another content",
            "help": "send another file",
        }

    @pytest.mark.parametrize("options", [{"scales": "0.5,1"}, {"flip": "true"}, {"scales": "1", "flip": "no"}])
    def test_views_are_those_of_the_settings(self, segmenter, segmenter_folder, options):
        from dataclasses import replace

        loaded = tagseg.load(segmenter_folder, device="cpu")
        scales = tuple(float(scale) for scale in options.get("scales", "1").split(","))
        loaded.settings = replace(loaded.settings, scales=scales, flip=options.get("flip") == "true")
        (found,) = segmenter.send("/predict", ("a.png", encoded()), **options).json()["images"]
        np.testing.assert_array_equal(decoded(found["mask_png"]), loaded.predict(PHOTO).labels)

    @pytest.mark.parametrize("palette", ["voc", "safe"])
    def test_png_and_overlay(self, segmenter, segmenter_folder, palette):
        wanted = tagseg.load(segmenter_folder, device="cpu").predict(PHOTO)
        answer = segmenter.send(f"/predict?format=png&palette={palette}", ("a.png", encoded()))
        assert answer.headers["content-type"] == "image/png"
        picture = PillowImage.open(BytesIO(answer.body))
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.array(picture), wanted.labels)
        colors = np.reshape(picture.getpalette(), (-1, 3))
        assert tuple(colors[2]) == ((0, 128, 0) if palette == "voc" else safe_color(2))
        answer = segmenter.send("/predict", ("a.png", encoded()), format="overlay", palette=palette, opacity=0.25)
        np.testing.assert_array_equal(
            np.array(PillowImage.open(BytesIO(answer.body))),
            overlay_labels(PHOTO, wanted.labels, colors.astype(np.uint8), opacity=0.25),
        )

    def test_tags_need_a_classifier(self, segmenter):
        sentences = segmenter.send("/cams", ("a.png", encoded())).sentences
        assert sentences == (
            400,
            "tiny must hold a trained classifier for maps, got a segmenter only",
            "serve the folder of a run",
        )


class TestClassifier:
    def test_masks_are_the_maps_cut_at_the_runs_score(self, classifier, classifier_run):
        predictor = load_networks(str(classifier_run), device="cpu").cams
        assert predictor is not None
        wanted = predictor.look(PHOTO)
        (found,) = classifier.send("/predict", ("a.png", encoded()), score="1").json()["images"]
        np.testing.assert_array_equal(decoded(found["mask_png"]), wanted.maps.labels(0.2))
        np.testing.assert_array_equal(decoded(found["score_png"]), np.rint(255 * wanted.maps.strongest()[1]))
        assert (found["network"], found["background_score"]) == ("classifier", 0.2)
        assert {tag["name"]: tag["probability"] for tag in found["tags"]} == pytest.approx(
            dict(zip(CLASSES.names, wanted.probabilities.tolist(), strict=True))
        )
        probabilities = [tag["probability"] for tag in found["tags"]]
        assert probabilities == sorted(probabilities, reverse=True)

    @pytest.mark.parametrize("tags", ["dog,red fox", ["dog", "red fox"], " dog , red fox,"])
    def test_named_tags_and_another_score(self, classifier, classifier_run, tags):
        predictor = load_networks(str(classifier_run), device="cpu").cams
        assert predictor is not None
        wanted = predictor.look(PHOTO, tags=(2, 3)).maps.labels(0.7)
        assert 0 < (wanted == 0).mean() < 1
        (found,) = classifier.send("/predict", ("a.png", encoded()), tags=tags, background_score=0.7).json()["images"]
        np.testing.assert_array_equal(decoded(found["mask_png"]), wanted)

    def test_maps(self, classifier, classifier_run):
        predictor = load_networks(str(classifier_run), device="cpu").cams
        assert predictor is not None
        wanted = predictor.look(PHOTO, tags=(1, 3), scales=(0.5, 1.0), flip=True)
        answer = classifier.send("/cams", ("a.png", encoded()), tags="red fox,cat", scales="0.5,1", flip="yes")
        (found,) = answer.json()["images"]
        assert [(each["id"], each["name"]) for each in found["maps"]] == [(1, "cat"), (3, "red fox")]
        for each, cam in zip(found["maps"], wanted.maps.cam, strict=True):
            np.testing.assert_array_equal(decoded(each["map_png"]), np.rint(255 * cam))
        assert (found["background_score"], found["height"], found["width"]) == (0.2, 72, 96)

    def test_coco_has_the_classes_of_the_classifier(self, classifier):
        coco = classifier.send("/predict", ("a.png", encoded()), format="coco", tags="dog").json()
        assert [category["name"] for category in coco["categories"]] == list(CLASSES.names)
        assert {annotation["category_id"] for annotation in coco["annotations"]} == {2}

    def test_there_is_no_segmenter_to_ask(self, classifier):
        sentences = classifier.send("/predict", ("a.png", encoded()), network="segmenter").sentences
        assert sentences == (
            400,
            "tiny must hold a trained segmenter, got a classifier only",
            "send network=classifier",
        )


class TestBoth:
    def test_the_segmenter_answers_unless_the_classifier_is_asked(self, both, full_run):
        networks = load_networks(str(full_run), device="cpu")
        assert networks.segmenter is not None and networks.cams is not None
        (found,) = both.send("/predict", ("a.png", encoded())).json()["images"]
        np.testing.assert_array_equal(decoded(found["mask_png"]), networks.segmenter.predict(PHOTO).labels)
        (found,) = both.send("/predict?network=classifier", ("a.png", encoded()), tags="dog").json()["images"]
        np.testing.assert_array_equal(decoded(found["mask_png"]), networks.cams.look(PHOTO, tags=(2,)).maps.labels(0.2))
        assert both.send("/cams", ("a.png", encoded())).status == 200

    def test_what_belongs_to_the_classifier_is_not_ignored(self, both):
        assert both.send("/predict", ("a.png", encoded()), background_score=0.3).sentences == (
            400,
            "option 'background_score' goes with network=classifier, got it for the segmenter",
            "send both, or neither",
        )

    @pytest.mark.parametrize("tags", ["dog", "red fox,dog"])
    def test_tags_limit_the_labels_of_the_segmenter(self, both, full_run, tags):
        loaded = tagseg.load(full_run, device="cpu")
        wanted = loaded.with_tags(tags.split(",")).predict(PHOTO).labels
        assert not np.array_equal(wanted, loaded.predict(PHOTO).labels)
        (found,) = both.send("/predict", ("a.png", encoded()), tags=tags).json()["images"]
        np.testing.assert_array_equal(decoded(found["mask_png"]), wanted)
        assert found["network"] == "segmenter"
        picture = both.send("/predict?format=png&flip=true", ("a.png", encoded()), tags=tags).body
        assert set(np.unique(opened(picture))) <= {0, *map(CLASSES.label_id, tags.split(","))}


class TestKindsOfImages:
    def test_a_turned_photograph_is_set_upright(self, segmenter):
        exif = PillowImage.Exif()
        exif[0x0112] = 6
        (found,) = segmenter.send("/predict", ("a.jpg", encoded(PHOTO, "JPEG", exif=exif))).json()["images"]
        assert (found["height"], found["width"]) == (96, 72)
        assert decoded(found["mask_png"]).shape == (96, 72)

    @pytest.mark.parametrize(
        ("name", "picture", "kind"),
        [
            ("cmyk.jpg", PillowImage.fromarray(PHOTO).convert("CMYK"), "JPEG"),
            ("grey.png", PillowImage.fromarray(PHOTO).convert("L"), "PNG"),
            ("alpha.png", PillowImage.fromarray(PHOTO).convert("RGBA"), "PNG"),
            ("deep.png", PillowImage.fromarray(PHOTO[..., 0].astype(np.uint16) * 257), "PNG"),
            ("photo.webp", PillowImage.fromarray(PHOTO), "WEBP"),
            ("photo.bmp", PillowImage.fromarray(PHOTO), "BMP"),
            ("photo.tif", PillowImage.fromarray(PHOTO), "TIFF"),
            ("photo.gif", PillowImage.fromarray(PHOTO), "GIF"),
        ],
    )
    def test_every_kind_has_the_labels_of_its_file(self, segmenter, segmenter_folder, tmp_path, name, picture, kind):
        content = encoded(picture, kind)
        (tmp_path / name).write_bytes(content)
        wanted = tagseg.load(segmenter_folder, device="cpu").predict(tmp_path / name)
        (found,) = segmenter.send("/predict", (name, content)).json()["images"]
        np.testing.assert_array_equal(decoded(found["mask_png"]), wanted.labels)

    def test_one_pixel(self, segmenter, classifier):
        for client in (segmenter, classifier):
            (found,) = client.send("/predict", ("dot.png", encoded(PHOTO[:1, :1]))).json()["images"]
            assert decoded(found["mask_png"]).shape == (1, 1)


class TestFacts:
    def test_info(self, both, segmenter):
        info = both.get("/info").json()
        assert info["title"] == "tiny"
        assert info["labels"] == ["background", "cat", "dog", "red fox"]
        assert info["tags"] == ["cat", "dog", "red fox"]
        assert (info["segmenter"], info["classifier"]) == ("deeplabv2 on test_resnet", "test_resnet")
        assert info["palettes"]["voc"][1] == [128, 0, 0]
        assert info["palettes"]["safe"][1] == list(safe_color(1))
        assert (info["background_score"], info["max_upload_mb"], info["max_files"]) == (0.2, 20, 16)
        assert segmenter.get("/info").json()["classifier"] is None

    def test_health(self, segmenter):
        assert segmenter.get("/health").json() == {"status": "ok", "requests": 0}

    def test_openapi_describes_every_address_its_options_and_its_answers(self, segmenter):
        described = segmenter.get("/openapi.json").json()
        assert set(described["paths"]) == {
            *("/predict", "/cams", "/info", "/sample", "/health", "/metrics"),
            *("/export", "/superpixels", "/corrections"),
        }
        predict = described["paths"]["/predict"]["post"]
        names = {parameter["name"] for parameter in predict["parameters"]}
        assert names == {
            "format",
            "network",
            "background_score",
            "palette",
            "opacity",
            "score",
            "tags",
            "scales",
            "flip",
            "min_area",
            "simplify",
            "images_at",
        }
        form = predict["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert form["required"] == ["images"]
        assert set(form["properties"]) == names | {"images"}
        answer = predict["responses"]["200"]["content"]
        assert answer["application/json"]["schema"] == {"$ref": "#/components/schemas/Predictions"}
        assert {"image/png", "application/zip"} < set(answer)
        (found,) = segmenter.send("/predict", ("a.png", encoded())).json()["images"]
        assert set(described["components"]["schemas"]["PredictedImage"]["properties"]) == set(found)
        assert {"400", "401", "403", "408", "413", "415", "422", "429", "503"} < set(predict["responses"])
        assert json.dumps(described).count("://") == 0  # nothing that a reader would have to fetch

    @pytest.mark.parametrize("path", ["/", "/docs"])
    def test_pages_hold_nothing_from_elsewhere_and_no_script_of_their_own(self, segmenter, path):
        answer = segmenter.get(path)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        text = answer.body.decode()
        for forbidden in ('src="http', 'href="http', "<style", "style=", "onclick", "<script>"):
            assert forbidden not in text
        for address in {part.split('"')[0] for part in text.split('"static/')[1:]}:
            assert segmenter.get(f"/static/{address}").status == 200

    def test_every_answer_has_its_headers(self, segmenter):
        answers = [
            segmenter.get("/"),
            segmenter.get("/static/app.js"),
            segmenter.get("/nowhere"),
            segmenter.send("/predict", ("a.png", encoded())),
            segmenter.get("/info", host="evil.example"),
        ]
        for answer in answers:
            assert answer.headers["content-security-policy"] == (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            )
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
            assert not any(name.startswith("access-control") for name in answer.headers)
