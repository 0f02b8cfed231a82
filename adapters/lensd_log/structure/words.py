"""The vocabulary of the structural reader: counters, phases, metrics, and the words that rule a number out.

Ten languages: English, Chinese, Japanese, Korean, Russian, German, French, Spanish, Portuguese, Italian.
All words are in lower case.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lensd_log.names import sounds_like_metric

#: What a counter counts. A global step counts through the run; a step usually does; a batch begins anew
#: with each epoch; a sample count places a record only where nothing else does.
GLOBAL, STEP, BATCH, EPOCH, ROUND, SAMPLES = "global", "step", "batch", "epoch", "round", "samples"

_COUNTERS = {
    GLOBAL: "global_step global_steps globalstep num_updates train_step training_step training_iteration"
    " train_iter trainer/global_step current_step current_iter cur_step",
    STEP: "i step steps iteration iterations iter iters it itr update updates stp"
    " 步 步数 步骤 迭代 迭代次数 ステップ イテレーション 反復 스텝 단계 반복 이터레이션"
    " шаг итерация schritt étape itération pas paso iteración passo iteração iterazione",
    BATCH: "batch batches minibatch mini-batch batch_idx bs_idx 批次 批 バッチ 배치 батч пакет lot lote",
    EPOCH: "epoch epochs ep epo epoche époque époch epoque época epoca 轮 轮次 轮数 周期 エポック 에포크 에폭"
    " эпоха эпохи epoka epok",
    ROUND: "episode episodes round rounds rollout rollouts trajectory traj sweep generation gen trial cycle"
    " game games 回合 エピソード 에피소드 эпизод episodio episódio épisode runde"
    " 代 世代 세대 поколение génération generación geração generazione",
    SAMPLES: "timestep timesteps total_timesteps env_steps frames num_timesteps",
}
COUNTERS = {word: kind for kind, words in _COUNTERS.items() for word in words.split()}

#: Counters in the plural hold a total or a setting when a sign joins them to their number (`epochs: 3`).
PLURALS = frozenset(
    "steps iterations iters updates batches epochs episodes rounds rollouts games 步数 轮数".split()
)
#: In front of a counter these make it a total or a setting (`total steps`, `best epoch`).
NOT_COUNTING = frozenset(
    "total max maximum min num number of n per every each best last final warmup warm-up patience save log"
    " eval episode target remaining first initial gradient accumulation 总 共 最大 最佳 всего gesamt".split()
)
#: Counters that only training has.
TRAINING_COUNTERS = frozenset((GLOBAL, EPOCH))
TRAINING_WORDS = frozenset("episode episodes rollout эпизод エピソード 에피소드 回合".split())

#: The phases, by their words. Training is the phase of lines that name none.
TRAIN = "train"
PHASES: dict[str, str] = {
    **dict.fromkeys(
        "train training trn trained learn 训练 学習 訓練 훈련 학습 обучение entrenamiento treino treinamento"
        " entraînement apprentissage addestramento".split(),
        TRAIN,
    ),
    **dict.fromkeys(
        "val valid validation validating eval evaluation evaluating evaluate dev cv 验证 検証 검증 валидация"
        " validación validação validazione validierung".split(),
        "val",
    ),
    "best": "best",
    **dict.fromkeys("test testing 测试 テスト 테스트 тест".split(), "test"),
}

#: Metrics in languages that name the thing first: `perte de validation`, `ошибок на токен`.
_LEADING = frozenset(
    "потеря потери потерь лосс точность ошибка ошибки ошибок verlust genauigkeit lernrate fehler fehlerrate"
    " perte pertes erreur exactitude précision pérdida precisión exactitud perda erro acurácia precisão"
    " perdita errore accuratezza precisione".split()
)
_OF = frozenset("de del du des di da do der en na no en su на по при за в".split())

#: Behind a name they say which of its values.
_STATISTICS = frozenset("mean avg average max min std stddev median best last".split())

#: Names that hold these words (as the last word, or as a part of an identifier) are metrics of training.
STRONG = frozenset(
    "loss losses acc accuracy lr ppl perplexity reward rewards bleu rouge wer cer psnr ssim lpips miou iou"
    " map f1 auc auroc ndcg mrr logloss rmse mse mae nll elbo kl bpb bpc dice fid top1 top5 recall mape smape"
    " spearman pearson kappa qwk r2 cost loglik loglikelihood likelihood"
    " entropy mlm crossentropy cross_entropy grad_norm gnorm gradnorm rmsle ce bce fitness hits rew"
    " 损失 准确率 精度 学习率 奖励 损失值 困惑度 損失 正解率 学習率 報酬 ロス 손실 정확도 학습률 보상"
    " 误差 错误率 誤差 誤り率 오차 오류율 代价 コスト 비용".split()
).union(_LEADING)
PAIRS_OF_WORDS = frozenset(
    "learning rate|grad norm|gradient norm|mean return|episode return|episodic return|average return"
    "|avg return|word error|per byte|per character|per char|per word|per token".split("|")
)

#: Numbers behind these are no measurements.
IDENTIFIERS = frozenset(
    "pid tid rank local_rank global_rank world_size seed worker node port version v line lineno gpu device"
    " cuda job id uid thread process attempt run trial_id v_num n_parameters percentage build host pod"
    " beam eta remaining elapsed date year month day hour exit code status errno level ip figure table page"
    " chapter section".split()
)
CLOCKS = frozenset(
    ("time elapsed", "total time", "elapsed time", "time remaining", "hours left", "total running time")
)

#: No name of a metric holds one of these.
PROSE = frozenset(
    "the a an was were are be been being has have had will would can could should may might must this that"
    " these those we you he she they them their our your my its to from for with without by on at about than"
    " then when while if and or not but so because as into over under after before during until since which"
    " who whose what where how there here do does did done no yes reached saved"
    " saving finished completed loaded"
    " loading started resumed resuming".split()
)
LEVELS = frozenset("debug info warning warn error critical fatal trace success notice stdout stderr".split())
#: `tensor(0.5)`, `array([0.5])`: what stands within counts.
WRAPPERS = frozenset(
    "tensor torch.tensor array np.array np.float32 np.float64 np.float16 numpy.float32 numpy.float64"
    " float float32 float64 jnp.array devicearray tf.tensor np.int64 int".split()
)

#: Units that stand behind a blank (`61.2 s`).
UNITS = frozenset(
    "s ms us µs sec secs seconds min mins minutes h hours B KB MB GB TB KiB MiB GiB kB Mb Gb it/s s/it"
    " samples/s samples/sec sample/s images/s images/sec imgs/s tokens/s tokens/sec tok/s words/s frames/s"
    " TFLOPs TFLOPS TFLOP/s GFLOPs GFLOPS GFLOP/s KB/s MB/s GB/s steps/s step/s".split()
)

#: Characters of languages that are written without blanks.
EAST = "\u3005-\u30ff\u3400-\u9fff\uac00-\ud7af"
_PARTS = re.compile(r"[_./\-\s]+|(?<=[a-z])(?=[A-Z][a-z])")
_TAIL = re.compile(r"(?:@\S*|[\d%]+|[(\[].*)$")
_IN_BRACKET = re.compile(r"(.+?) ?\(([^()]+)\)$")
_LONGEST_COMPOUND = 10
_EAST_STRONG = tuple(word for word in STRONG if not word.isascii() and re.match(f"[{EAST}]", word))
_EAST_PHASES = {word: phase for word, phase in PHASES.items() if re.match(f"[{EAST}]", word)}


@lru_cache(4096)
def phase_of(name: str) -> str | None:
    """The phase that a name holds (`val_loss`, `Train Acc`, `loss/test`)."""
    for part in _PARTS.split(name.replace("'s", "").replace("(", " ")):
        phase = PHASES.get(part.lower().rstrip("0123456789_"))
        if phase is None and not part.isascii():
            phase = next(
                (translated for word, translated in _EAST_PHASES.items() if part.startswith(word)), None
            )
        if phase is not None:
            return phase
    return None


@lru_cache(4096)
def is_strong(name: str) -> bool:
    """Is this a name that training gives to a measurement? The last word decides: `val loss` is one, `loss
    of precision` is none; the first one in languages that name the thing first. An identifier may hold it in
    any part (`loss_mel`), a word written without blanks at its end (`训练损失`), and a bracket behind it
    (`Erreur (Loss)`)."""
    words = name.split()
    if not words:
        return False
    if bracket := _IN_BRACKET.match(name):
        return is_strong(bracket[1]) or is_strong(bracket[2])
    if len(words) > 2 and words[0].lower() in _LEADING and words[1].lower() in _OF:
        return True
    if len(words) > 1 and words[-1].lower() in _STATISTICS:
        return is_strong(" ".join(words[:-1]))
    if len(words[-1]) <= _LONGEST_COMPOUND and words[-1].endswith(_EAST_STRONG):
        return True
    if " ".join(words[-2:]).lower() in PAIRS_OF_WORDS:
        return True
    candidates = [words[-1]] if len(words[-1]) > 1 or len(words) == 1 else words[-2:]
    if len(words) == 2 and words[1].lower() in PHASES:
        candidates = words[:1]
    for word in candidates:
        for part in (word, *_PARTS.split(word)):
            if {_TAIL.sub("", part).lower(), part.lower(), part.lower().replace("-", "")} & STRONG:
                return True
    return False


@lru_cache(4096)
def is_metric(name: str) -> bool:
    """Does the name sound like a measurement at all? Less is needed than for `is_strong`."""
    return is_strong(name) or sounds_like_metric(name)
