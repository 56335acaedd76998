"""Words that virtual radiologists use: nouns, places, degrees. Our own list, made for this generator alone; the reader
that is tested on it has another. Words in square brackets are the mention that a statement rests on."""

from __future__ import annotations

__all__ = ["DEGREES", "HISTORIES", "NEGATIVES", "NORMALS", "NOUNS", "QUESTIONS", "WHOLE"]

NOUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "effusion": (
        ("pleural effusion", "pleural effusion"),
        ("effusion", "pleural effusion"),
        ("pleural fluid collection", "pleural effusion"),
        ("layering pleural effusion", "pleural effusion"),
    ),
    "pneumothorax": (("pneumothorax", "pneumothorax"), ("PTX", "pneumothorax")),
    "consolidation": (
        ("consolidation", "consolidation"),
        ("airspace consolidation", "consolidation"),
        ("airspace opacity", "airspace opacity"),
        ("airspace disease", "airspace opacity"),
        ("opacity", "lung opacity"),
        ("patchy opacity", "lung opacity"),
        ("infiltrate", "infiltration"),
        ("ill-defined density", "lung opacity"),
    ),
    "linear atelectasis": (
        ("linear atelectasis", "linear/patchy atelectasis"),
        ("subsegmental atelectasis", "linear/patchy atelectasis"),
        ("plate-like atelectasis", "linear/patchy atelectasis"),
        ("discoid atelectasis", "linear/patchy atelectasis"),
        ("atelectasis", "atelectasis"),
    ),
    "collapse": (("lobar collapse", "lobar/segmental collapse"), ("collapse", "lobar/segmental collapse")),
    "edema": (
        ("pulmonary edema", "pulmonary edema/hazy opacity"),
        ("interstitial edema", "pulmonary edema/hazy opacity"),
        ("pulmonary vascular congestion", "vascular congestion"),
        ("vascular congestion", "vascular congestion"),
    ),
    "nodule": (
        ("nodule", "mass/nodule (not otherwise specified)"),
        ("pulmonary nodule", "mass/nodule (not otherwise specified)"),
        ("nodular opacity", "mass/nodule (not otherwise specified)"),
    ),
    "mass": (
        ("mass", "mass/nodule (not otherwise specified)"),
        ("lung mass", "mass/nodule (not otherwise specified)"),
    ),
    "calcified nodule": (
        ("calcified granuloma", "calcified nodule"),
        ("calcified nodule", "calcified nodule"),
    ),
    "reticulation": (
        ("reticular opacities", "increased reticular markings/ild pattern"),
        ("increased interstitial markings", "increased reticular markings/ild pattern"),
        ("coarse reticular markings", "increased reticular markings/ild pattern"),
    ),
}
"""Noun and attribute of findings that are said as noun phrases."""

DEGREES: dict[str, dict[str, tuple[str, ...]]] = {
    "amount": {"mild": ("small", "mild", "minimal", "tiny"), "moderate": ("moderate",), "severe": ("large", "severe")},
    "size": {"mild": ("small", "tiny"), "moderate": ("moderate", "moderate-sized"), "severe": ("large",)},
    "degree": {"mild": ("mild", "slight", "minimal"), "moderate": ("moderate",), "severe": ("severe", "marked")},
}
"""Adjectives by grade; amount for fluid, size for air, degree for the rest."""

WHOLE: dict[str, tuple[tuple[str, str], ...]] = {
    "cardiomegaly": (
        ("the heart is {sevly} [enlarged]", "enlarged cardiac silhouette"),
        ("{sev} [cardiomegaly]", "enlarged cardiac silhouette"),
        ("there is {sev} [cardiomegaly]", "enlarged cardiac silhouette"),
        ("the cardiac silhouette is {sevly} [enlarged]", "enlarged cardiac silhouette"),
        ("{sev} [enlargement of the cardiac silhouette]", "enlarged cardiac silhouette"),
        ("[heart size is {sevly} enlarged]", "enlarged cardiac silhouette"),
        ("{sev} [cardiac enlargement] is present", "enlarged cardiac silhouette"),
        ("the [heart is {sevly} increased in size]", "enlarged cardiac silhouette"),
    ),
    "hyperinflation": (
        ("the lungs are {sevly} [hyperinflated]", "hyperaeration"),
        ("{sev} [hyperinflation] of the lungs", "hyperaeration"),
        ("there is {sev} [hyperexpansion] of both lungs", "hyperaeration"),
        ("both lungs are {sevly} [hyperexpanded]", "hyperaeration"),
        ("{sev} [emphysematous changes] of the lungs", "copd/emphysema"),
        ("the lungs show {sev} [emphysema]", "copd/emphysema"),
    ),
    "low volumes": (
        ("[lung volumes are low]", "low lung volumes"),
        ("there are [low lung volumes]", "low lung volumes"),
        ("[low lung volumes] with crowding of the vessels", "low lung volumes"),
        ("[shallow inspiration]", "low lung volumes"),
        ("the lungs are [hypoinflated]", "low lung volumes"),
    ),
    "tortuous aorta": (
        ("the thoracic [aorta is tortuous]", "tortuous aorta"),
        ("[tortuous aorta]", "tortuous aorta"),
        ("[tortuosity of the thoracic aorta] is noted", "tortuous aorta"),
        ("the aorta is {sevly} [tortuous]", "tortuous aorta"),
        ("there is [unfolding of the aorta]", "tortuous aorta"),
    ),
    "aortic calcium": (
        ("[calcification of the aortic arch] is seen", "vascular calcification"),
        ("[atherosclerotic calcification] of the aortic arch", "vascular calcification"),
        ("the aortic knob is [calcified]", "vascular calcification"),
        ("there are [atherosclerotic calcifications] of the aorta", "vascular calcification"),
    ),
    "elevated diaphragm": (
        ("the {side} [hemidiaphragm is elevated]", "elevated hemidiaphragm"),
        ("{sev} [elevation of the {side} hemidiaphragm]", "elevated hemidiaphragm"),
        ("there is [elevation of the {side} hemidiaphragm]", "elevated hemidiaphragm"),
        ("[elevated {side} hemidiaphragm]", "elevated hemidiaphragm"),
    ),
    "rib fracture": (
        ("there is a [fracture] of the {side} {nth} rib", "rib fracture"),
        ("{side} {nth} [rib fracture]", "rib fracture"),
        ("[fracture] of the lateral {side} {nth} rib is noted", "rib fracture"),
        ("a displaced {side} [rib fracture] is seen", "rib fracture"),
    ),
    "endotracheal tube": (
        ("the [endotracheal tube] tip lies {mm} cm above the carina", "endotracheal tube"),
        ("[ET tube] ends {mm} cm above the carina", "endotracheal tube"),
        ("an [endotracheal tube] is in place with its tip {mm} cm above the level of the carina", "endotracheal tube"),
        ("tip of the [ETT] projects over the mid trachea", "endotracheal tube"),
    ),
    "enteric tube:stomach": (
        ("the [nasogastric tube] ends in the stomach", "enteric tube"),
        ("[enteric tube] tip is in the stomach", "enteric tube"),
        ("an [NG tube] courses below the diaphragm with its tip in the stomach", "enteric tube"),
        ("[orogastric tube] terminates within the stomach", "enteric tube"),
    ),
    "enteric tube:oesophagus": (
        ("the [nasogastric tube] ends in the distal esophagus and should be advanced", "enteric tube"),
        ("[enteric tube] tip is in the lower esophagus", "enteric tube"),
    ),
    "picc": (
        ("{side} [PICC] ends in the {tip}", "picc"),
        ("the tip of the {side} [PICC line] is in the {tip}", "picc"),
        ("a {side} upper extremity [PICC] is present with its tip in the {tip}", "picc"),
        ("{side}-sided [PICC] terminates at the {tip}", "picc"),
    ),
    "ij line": (
        ("{side} [IJ catheter] ends in the {tip}", "ij line"),
        ("the tip of the {side} [internal jugular line] is in the {tip}", "ij line"),
        ("a {side} [internal jugular central venous catheter] terminates in the {tip}", "ij line"),
        ("{side} [IJ central line] with its tip at the {tip}", "ij line"),
    ),
    "chest port": (
        ("{side} chest [Port-A-Cath] ends in the {tip}", "chest port"),
        ("a {side} [chest port] is present with its tip in the {tip}", "chest port"),
        ("the catheter of the {side} [port] terminates in the {tip}", "chest port"),
    ),
    "chest tube": (
        ("a {side} [chest tube] is in place", "chest tube"),
        ("{side}-sided [chest tube] is present", "chest tube"),
        ("there is a {side} [thoracostomy tube]", "chest tube"),
    ),
    "pacer": (
        ("a {side} chest wall [pacemaker] is present with leads in the expected position", "cardiac pacer and wires"),
        ("{side} chest wall [pacer] is noted", "cardiac pacer and wires"),
        ("there is a [pacemaker] in the {side} chest wall", "cardiac pacer and wires"),
    ),
    "sternotomy wires": (
        ("median [sternotomy wires] are intact", "sternotomy wires"),
        ("[sternotomy wires] are noted", "sternotomy wires"),
        ("there are [sternal wires] from previous surgery", "sternotomy wires"),
        ("midline [sternotomy wires] are seen", "sternotomy wires"),
    ),
}
"""Clauses of findings that have clauses of their own, with their attribute."""

NEGATIVES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "effusion": ("pleural effusion", "costophrenic angle", ("pleural effusion", "effusion", "pleural fluid")),
    "pneumothorax": ("pneumothorax", "lung", ("pneumothorax", "pneumothorax", "PTX")),
    "consolidation": (
        "consolidation",
        "lung",
        ("focal consolidation", "consolidation", "airspace consolidation", "lobar consolidation"),
    ),
    "edema": ("pulmonary edema/hazy opacity", "lung", ("pulmonary edema", "overt edema", "interstitial edema")),
    "congestion": ("vascular congestion", "lung", ("vascular congestion", "pulmonary vascular congestion")),
    "pneumonia": ("pneumonia", "lung", ("pneumonia", "lobar pneumonia")),
    "nodule": ("mass/nodule (not otherwise specified)", "lung", ("suspicious nodule", "lung mass", "pulmonary nodule")),
    "free air": ("sub-diaphragmatic air", "abdomen", ("free subdiaphragmatic air", "free air under the diaphragm")),
    "rib fracture": ("rib fracture", "chest wall", ("displaced rib fracture", "acute rib fracture", "rib fracture")),
    "infiltrate": ("infiltration", "lung", ("infiltrate", "focal infiltrate")),
}
"""What a report denies: attribute, place on both sides, and words."""

NORMALS: dict[str, tuple[str, ...]] = {
    "heart": (
        "[heart size is normal]",
        "the [heart is normal in size]",
        "the [heart size is within normal limits]",
        "the [cardiac silhouette is normal] in size",
        "the [heart is not enlarged]",
        "normal [heart size]",
        "[cardiac silhouette is unremarkable]",
        "the [heart is of normal size] and shape",
    ),
    "mediastinum": (
        "the [mediastinal contours are normal]",
        "the [mediastinum is unremarkable]",
        "the [mediastinal silhouette is within normal limits]",
        "[mediastinum is normal] in contour",
        "normal [mediastinal contours]",
    ),
    "hila": ("the [hila are unremarkable]", "the [hilar contours are normal]", "normal [hilar contours]"),
    "lungs": (
        "the [lungs are clear]",
        "[lungs are clear]",
        "both [lungs are clear]",
        "the [lungs are well expanded and clear]",
        "[clear lungs]",
        "the [lungs are clear bilaterally]",
        "the [lung fields are clear]",
        "the [lungs remain clear]",
    ),
    "one lung": ("the {side} [lung is clear]", "the {side} [lung remains clear]", "[{side} lung is clear]"),
}
"""Normal statements by region."""

HISTORIES: tuple[tuple[str, str, str], ...] = (
    ("history of [lung cancer]", "lung cancer", "lung"),
    ("prior [pneumonia]", "pneumonia", "lung"),
    ("history of [COPD]", "copd/emphysema", "lung"),
    ("known [emphysema]", "copd/emphysema", "lung"),
    ("status post treatment for [pneumonia] in the past", "pneumonia", "lung"),
    ("past medical history of [congestive heart failure]", "fluid overload/heart failure", "cardiac silhouette"),
)
QUESTIONS: tuple[tuple[str, str, str], ...] = (
    ("evaluate for [pneumonia]", "pneumonia", "lung"),
    ("rule out [pneumothorax]", "pneumothorax", "lung"),
    ("r/o [pleural effusion]", "pleural effusion", "costophrenic angle"),
    ("question of [pneumonia]", "pneumonia", "lung"),
    ("please assess for [pulmonary edema]", "pulmonary edema/hazy opacity", "lung"),
    ("concern for [pneumothorax]", "pneumothorax", "lung"),
    ("assess for [rib fracture]", "rib fracture", "chest wall"),
)
